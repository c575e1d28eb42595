-- What a worker says when it is done with a job. ARGV: id, turn, pod, what, then by what:
--   succeeded, failed   status, content type, answer, problem, retention in milliseconds
--   retry               an attempt failed; the engine brings the job again, under the same turn
--   back                not done; it shall be taken up by whoever is free
-- Returns 1, also when the same has been said before and the reply was lost; 0 when the job is not this worker's any more: it was
-- cancelled, or given to another.
local id, pod, what = ARGV[1], ARGV[3], ARGV[4]
local job = key('job', id)
local had = redis.call('HMGET', job, 'state', 'turn', 'pod', 'said')
local said = pod .. ' ' .. ARGV[2] .. ' ' .. what
if had[1] ~= 'running' or had[2] ~= ARGV[2] or had[3] ~= pod then return had[4] == said and 1 or 0 end
redis.call('HSET', job, 'said', said)
if what == 'succeeded' or what == 'failed' then
  redis.call('HSET', job, 'status', ARGV[5], 'type', ARGV[6], 'answer', ARGV[7], 'problem', ARGV[8])
  if what == 'failed' then redis.call('HINCRBY', job, 'failures', 1) end
  ended(id, what, ARGV[9])
elseif what == 'retry' then
  redis.call('HINCRBY', job, 'failures', 1)
  again(id, pod, now)
else
  redis.call('HINCRBY', job, 'turn', 1)
  again(id, pod, now)
end
return 1
