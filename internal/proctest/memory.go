package proctest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory returns a line of the kernel's /proc/PID/status, in bytes. VmRSS is the resident memory, VmHWM its highest
// value so far, RssAnon the part of it without pages of files.
func (p *Process) Memory(line string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	for each := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(each, line+":"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", line, p.PID())
}
