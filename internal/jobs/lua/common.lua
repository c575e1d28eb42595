-- Common part, placed before each script of this folder.
-- KEYS[1]  root of all keys; every key begins with it. Its hash tag keeps all keys on one node of a Cluster.
-- ARGV     names and values in turn
-- Returns  names and values in turn, as all scripts here do
-- Times are whole microseconds of Redis's clock. Retentions are milliseconds, sizes are bytes. The field "turn" of a
-- job's record is its generation.
local root = KEYS[1]
local arg = {}
for i = 1, #ARGV, 2 do arg[ARGV[i]] = ARGV[i + 1] end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function int(n) return string.format('%d', n) end
local function key(kind, id) return root .. ':' .. kind .. ':' .. id end

-- fields returns fields of a job's record as names and values.
local function fields(id, names)
  local values, out = redis.call('HMGET', key('job', id), unpack(names)), {}
  for i, name in ipairs(names) do
    out[2 * i - 1], out[2 * i] = name, values[i] or ''
  end
  return out
end

-- add changes a counter of bytes. A counter that reaches 0 is removed.
local function add(counter, n)
  if redis.call('INCRBY', counter, int(n)) <= 0 then redis.call('DEL', counter) end
end

-- occupy sets the size of a job in bytes, and corrects the counters of its user and of all jobs.
local function occupy(id, user, bytes)
  local before = tonumber(redis.call('HGET', root .. ':sizes', id) or 0)
  redis.call('HSET', root .. ':sizes', id, int(bytes))
  redis.call('HSET', root .. ':owners', id, user)
  add(root .. ':bytes', bytes - before)
  add(key('bytes', user), bytes - before)
end

-- purge subtracts the bytes of jobs whose records have expired, at most 100 of them.
local function purge()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. ':ended', '-inf', int(now), 'LIMIT', 0, 100)) do
    local size, user = redis.call('HGET', root .. ':sizes', id), redis.call('HGET', root .. ':owners', id)
    redis.call('ZREM', root .. ':ended', id)
    redis.call('HDEL', root .. ':sizes', id)
    redis.call('HDEL', root .. ':owners', id)
    if size and user then
      add(root .. ':bytes', -tonumber(size))
      add(key('bytes', user), -tonumber(size))
    end
  end
end

-- ended turns a job into a result. The request is removed, except that a poisoned job keeps its body for inspection.
-- The record expires after retention (milliseconds). bytes is the job's size from now on; nil: unchanged. Writes that
-- free memory come first: a full Redis refuses only a script whose first write takes memory.
local function ended(id, state, retention, bytes)
  local job = key('job', id)
  local user, class, pod, idem = unpack(redis.call('HMGET', job, 'user', 'class', 'pod', 'idem'))
  if state ~= 'poisoned' then redis.call('HDEL', job, 'body') end
  redis.call('HDEL', job, 'pod', 'trace', 'waiting')
  redis.call('SREM', key('open', user), id)
  redis.call('ZREM', key('wait', class), id)
  redis.call('ZREM', root .. ':outbox', id)
  if pod then redis.call('SREM', key('runs', pod), id) end
  redis.call('HSET', job, 'state', state, 'ended', int(now))
  redis.call('PEXPIRE', job, retention)
  if idem then redis.call('PEXPIRE', idem, retention) end
  if redis.call('HEXISTS', root .. ':sizes', id) == 1 then
    if bytes then occupy(id, user, bytes) end
    redis.call('ZADD', root .. ':ended', int(now + 1000 * retention), id)
  end
end

-- again puts a running job of a pod back into its place in the queue. due is its time in the outbox, in microseconds.
local function again(id, pod, due)
  local job = key('job', id)
  local class, created = unpack(redis.call('HMGET', job, 'class', 'created'))
  redis.call('HDEL', job, 'pod')
  redis.call('SREM', key('runs', pod), id)
  redis.call('HSET', job, 'state', 'queued')
  redis.call('ZADD', key('wait', class), created, id)
  redis.call('ZADD', root .. ':outbox', int(due), id)
end

-- anew is again with a new generation: reports of a worker that has the old generation have no effect any more.
local function anew(id, pod, due)
  again(id, pod, due)
  redis.call('HINCRBY', key('job', id), 'turn', 1)
end
