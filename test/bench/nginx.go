//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// nginxConf has one process forward to a vendor over kept connections, without buffering.
const nginxConf = `daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 64m; keepalive_requests 1000000;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  upstream vendor { server 127.0.0.1:%[2]d; keepalive 2048; }
  server {
    listen %[3]s backlog=4096;
    location = /llm {
      proxy_pass http://vendor/v1/chat/completions; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s;
    }
  }
}
`

// startNginx runs nginx as a forwarder, if it is installed (Debian: apt-get install nginx-light).
func (b *bench) startNginx() (*target, error) {
	path, err := nginxPath()
	if err != nil {
		return nil, err
	}
	t, err := newTarget("nginx")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "nginx"+strconv.Itoa(len(b.started)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, t.vendor.port, t.addr), 0o600); err != nil {
		return nil, err
	}
	t.argv = []string{path, "-p", dir, "-c", conf}
	return b.run(t, nil)
}

func nginxPath() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
}

// forwarders returns a start function for each forwarder: nginx if it is installed, the bare forwarder, the service.
func (b *bench) forwarders(settings map[string]string) []func() (*target, error) {
	all := []func() (*target, error){
		func() (*target, error) { return b.startBare("bare") },
		func() (*target, error) { return b.startServer("spillway", b.serverPath, settings) },
	}
	if b.besidePath != "" {
		all = append(all, func() (*target, error) { return b.startServer("beside", b.besidePath, settings) })
	}
	if _, err := nginxPath(); err == nil {
		all = append(all, b.startNginx)
	}
	return all
}
