-- Gives a queued job to a pod.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua:
--   id          ID of the job
--   generation  number of times that the job was queued again after its first run
--   pod         ID of the pod
--   lease       time without a report after which a pod counts as dead, in microseconds
-- Returns names and values: user, class, body, client (the Idempotency-Key), trace, failures (failed attempts), created
-- and started (microseconds of Redis's clock). Empty when the job cannot be claimed: it was cancelled, or it has
-- another generation.
local id, pod = arg.id, arg.pod
local job = key('job', id)
local had = redis.call('HMGET', job, 'state', 'turn', 'class')
if had[1] ~= 'queued' or had[2] ~= arg.generation then return {} end
redis.call('ZREM', key('wait', had[3]), id)
redis.call('ZREM', root .. ':outbox', id)
redis.call('HDEL', job, 'waiting')
redis.call('HSET', job, 'state', 'running', 'pod', pod, 'started', int(now))
redis.call('SADD', key('runs', pod), id)
redis.call('ZADD', root .. ':pods', 'NX', int(now + tonumber(arg.lease)), pod)
return fields(id, {'user', 'class', 'body', 'client', 'trace', 'failures', 'created', 'started'})
