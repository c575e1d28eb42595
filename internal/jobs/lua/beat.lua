-- Reports that a pod is alive. The same run takes the jobs of dead pods from them.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua:
--   pod        ID of the pod
--   lease      time without a report after which a pod counts as dead, in microseconds
--   patience   time that a job may stay in the outbox, in microseconds
--   before     time of the pod's last report, in microseconds of Redis's clock; 0: none
--   working    IDs of the jobs that the pod works on, separated by spaces; the list was made after the last report
--   deaths     number of pods that may die while they work on the same job
--   retention  time that a poisoned job is kept, in milliseconds
-- Returns names and values:
--   lost       1 when this pod counted as dead, else 0
--   rescued    number of jobs that were taken from dead pods or from this pod and are queued again
--   poisoned   list of the jobs on which too many pods died: id, class
--   due        list of the jobs that are overdue in the outbox, at most 200: id, class, generation
--   queues     list of the queues: class, depth in jobs, age of the oldest job in microseconds
--   bytes      memory that all jobs take, in bytes
--   time       now, in microseconds of Redis's clock
local pod, lease, before = arg.pod, tonumber(arg.lease), tonumber(arg.before)
local pods = root .. ':pods'
purge()
local last = tonumber(redis.call('GET', root .. ':beat') or 0)
redis.call('SET', root .. ':beat', int(now))
-- When no pod has reported for a whole lease, Redis was away: no pod counts as dead for that.
if now - last > lease then
  for _, other in ipairs(redis.call('ZRANGE', pods, 0, -1)) do redis.call('ZADD', pods, int(now + lease), other) end
end
local lost = before > 0 and not redis.call('ZSCORE', pods, pod)
redis.call('ZADD', pods, int(now + lease), pod)

-- Jobs that belong to this pod and that it does not know: the reply to a claim was lost, or the end of a run could not
-- be written. A job claimed since the last report may be missing from the list, so it is left alone.
local working = {}
for id in string.gmatch(arg.working, '%S+') do working[id] = true end
local rescued, poisoned = 0, {}
for _, id in ipairs(redis.call('SMEMBERS', key('runs', pod))) do
  local had = redis.call('HMGET', key('job', id), 'state', 'pod', 'started')
  if not working[id] and had[1] == 'running' and had[2] == pod and tonumber(had[3]) < before then
    anew(id, pod, 0)
    rescued = rescued + 1
  end
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', pods, '-inf', int(now))) do
  for _, id in ipairs(redis.call('SMEMBERS', key('runs', dead))) do
    local had = redis.call('HMGET', key('job', id), 'state', 'pod', 'class')
    if had[1] == 'running' and had[2] == dead then
      if redis.call('HINCRBY', key('job', id), 'deaths', 1) >= tonumber(arg.deaths) then
        ended(id, 'poisoned', arg.retention)
        poisoned[#poisoned + 1] = {'id', id, 'class', had[3]}
      else
        anew(id, dead, 0)
        rescued = rescued + 1
      end
    end
  end
  redis.call('DEL', key('runs', dead))
  redis.call('ZREM', pods, dead)
end

local due = {}
local latest = int(now - tonumber(arg.patience))
for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. ':outbox', '-inf', latest, 'LIMIT', 0, 200)) do
  local had = redis.call('HMGET', key('job', id), 'class', 'turn')
  if had[1] then
    due[#due + 1] = {'id', id, 'class', had[1], 'generation', had[2]}
  else
    redis.call('ZREM', root .. ':outbox', id)
  end
end

local queues = {}
for _, class in ipairs({'high', 'normal', 'low'}) do
  local oldest = redis.call('ZRANGE', key('wait', class), 0, 0, 'WITHSCORES')
  queues[#queues + 1] = {'class', class, 'depth', redis.call('ZCARD', key('wait', class)),
    'age', int(oldest[2] and math.max(0, now - tonumber(oldest[2])) or 0)}
end
return {'lost', lost and 1 or 0, 'rescued', rescued, 'poisoned', poisoned, 'due', due, 'queues', queues,
  'bytes', redis.call('GET', root .. ':bytes') or '0', 'time', int(now)}
