-- Gives a queued job to one pod. ARGV: id, turn, pod, lease in microseconds. Returns its fields, or nothing when it is not to be had: it has been
-- cancelled, or given back under a new turn.
local id, pod = ARGV[1], ARGV[3]
local job = key('job', id)
local had = redis.call('HMGET', job, 'state', 'turn', 'class')
if had[1] ~= 'queued' or had[2] ~= ARGV[2] then return {} end
redis.call('HSET', job, 'state', 'running', 'pod', pod, 'started', int(now))
redis.call('ZREM', key('wait', had[3]), id)
redis.call('ZREM', root .. ':outbox', id)
redis.call('SADD', key('runs', pod), id)
redis.call('ZADD', root .. ':pods', 'NX', int(now + tonumber(ARGV[4])), pod)
local f = redis.call('HMGET', job, 'user', 'class', 'body', 'client', 'trace', 'failures', 'created')
f[8] = int(now)
return f
