-- Gives a queued job to one pod. Arguments: id, generation, pod, lease (microseconds). Returns the job, or nothing when it is not
-- to be had: it has been cancelled, or put back under a new generation.
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
