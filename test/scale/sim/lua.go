package sim

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// luaRedis runs the service's own script with a few commands of Redis, on the simulation's clock. An unknown command is
// an error. A test compares luaRedis with a real Redis.
type luaRedis struct {
	state     *lua.LState
	now       func() micros
	loaded    map[string]*lua.LFunction // scripts by their text
	hashes    map[string]map[string]string
	published []string // messages of the last script
}

func newLuaRedis(now func() micros) *luaRedis {
	r := &luaRedis{state: lua.NewState(), now: now, loaded: map[string]*lua.LFunction{},
		hashes: map[string]map[string]string{}}
	redis := r.state.NewTable()
	redis.RawSetString("call", r.state.NewFunction(r.call))
	redis.RawSetString("pcall", r.state.NewFunction(r.call))
	r.state.SetGlobal("redis", redis)
	return r
}

func (r *luaRedis) close() { r.state.Close() }

// eval runs a script with one key and returns its result, a text.
func (r *luaRedis) eval(script, key string, args []any) (string, error) {
	f, known := r.loaded[script]
	if !known {
		var err error
		if f, err = r.state.LoadString(script); err != nil {
			return "", fmt.Errorf("loading the script: %w", err)
		}
		r.loaded[script] = f
	}
	keys, argv := r.state.CreateTable(1, 0), r.state.CreateTable(len(args), 0)
	keys.Append(lua.LString(key))
	for _, a := range args {
		argv.Append(lua.LString(fmt.Sprint(a)))
	}
	r.state.SetGlobal("KEYS", keys)
	r.state.SetGlobal("ARGV", argv)
	r.published = r.published[:0]
	if err := r.state.CallByParam(lua.P{Fn: f, NRet: 1, Protect: true}); err != nil {
		return "", fmt.Errorf("running the script: %w", err)
	}
	defer r.state.Pop(1)
	return lua.LVAsString(r.state.Get(-1)), nil
}

// lose deletes all data.
func (r *luaRedis) lose() { clear(r.hashes) }

// snapshot is a copy of the data, as a replica has it that is not behind.
func (r *luaRedis) snapshot() map[string]map[string]string {
	all := make(map[string]map[string]string, len(r.hashes))
	for key, hash := range r.hashes {
		all[key] = maps.Clone(hash)
	}
	return all
}

// call is redis.call.
func (r *luaRedis) call(l *lua.LState) int {
	args := make([]string, l.GetTop())
	for i := range args {
		args[i] = lua.LVAsString(l.Get(i + 1))
	}
	v, err := r.do(strings.ToUpper(args[0]), args[1:])
	if err != nil {
		l.RaiseError("%v", err)
	}
	l.Push(v)
	return 1
}

// do runs one command. It returns values as Redis gives them to a script: false for nil.
func (r *luaRedis) do(command string, args []string) (lua.LValue, error) {
	switch command {
	case "TIME":
		return r.list(strconv.FormatInt(r.now()/1_000_000, 10), strconv.FormatInt(r.now()%1_000_000, 10)), nil
	case "PUBLISH":
		r.published = append(r.published, args[1])
		return lua.LNumber(1), nil
	case "PEXPIRE": // no simulation is long enough for a key to expire
		return lua.LNumber(1), nil
	case "DEL":
		delete(r.hashes, args[0])
		return lua.LNumber(1), nil
	}
	return r.hash(command, args[0], args[1:])
}

func (r *luaRedis) hash(command, key string, args []string) (lua.LValue, error) {
	hash := r.hashes[key]
	if hash == nil {
		hash = map[string]string{}
		r.hashes[key] = hash
	}
	switch command {
	case "HGET":
		return text(hash, args[0]), nil
	case "HMGET":
		all := r.state.CreateTable(len(args), 0)
		for i, field := range args {
			all.RawSetInt(i+1, text(hash, field))
		}
		return all, nil
	case "HSET":
		for i := 0; i+1 < len(args); i += 2 {
			hash[args[i]] = args[i+1]
		}
	case "HDEL":
		for _, field := range args {
			delete(hash, field)
		}
	case "HINCRBY":
		old, _ := strconv.ParseInt(hash[args[0]], 10, 64) // a missing field counts as 0
		by, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("HINCRBY by %q: %w", args[1], err)
		}
		hash[args[0]] = strconv.FormatInt(old+by, 10)
		return lua.LNumber(old + by), nil
	default:
		return nil, fmt.Errorf("the simulated Redis does not know %s", command)
	}
	return lua.LNumber(len(args)), nil
}

func (r *luaRedis) list(values ...string) *lua.LTable {
	t := r.state.CreateTable(len(values), 0)
	for _, v := range values {
		t.Append(lua.LString(v))
	}
	return t
}

func text(hash map[string]string, field string) lua.LValue {
	if v, ok := hash[field]; ok {
		return lua.LString(v)
	}
	return lua.LFalse
}
