-- Stands in front of every script here. KEYS[1] is the root of all keys, with the hash tag that keeps them on one node of a
-- Cluster; every key below begins with it. Times are whole microseconds of Redis's clock.
local root = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function int(n) return string.format('%d', n) end
local function key(kind, id) return root .. ':' .. kind .. ':' .. id end

-- ended turns a job into a result: nothing of the request stays, and the rest leaves after retention (milliseconds).
local function ended(id, state, retention)
  local job = key('job', id)
  local user, class, pod, idem = unpack(redis.call('HMGET', job, 'user', 'class', 'pod', 'idem'))
  redis.call('HSET', job, 'state', state, 'ended', int(now))
  redis.call('HDEL', job, 'body', 'pod', 'trace')
  redis.call('SREM', key('open', user), id)
  redis.call('ZREM', key('wait', class), id)
  redis.call('ZREM', root .. ':outbox', id)
  if pod then redis.call('SREM', key('runs', pod), id) end
  redis.call('PEXPIRE', job, retention)
  if idem then redis.call('PEXPIRE', idem, retention) end
end

-- again puts a running job back in its place in the queue. The new turn makes whatever still works on the old one a ghost.
local function again(id, pod, due)
  local job = key('job', id)
  local class, created = unpack(redis.call('HMGET', job, 'class', 'created'))
  redis.call('HSET', job, 'state', 'queued')
  redis.call('HDEL', job, 'pod')
  redis.call('ZADD', key('wait', class), created, id)
  redis.call('ZADD', root .. ':outbox', int(due), id)
  redis.call('SREM', key('runs', pod), id)
end
