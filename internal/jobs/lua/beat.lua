-- A pod's sign of life, with which it takes over what others left behind. Arguments: pod, lease and patience with the outbox
-- (microseconds), before (the time of the pod's last sign of life, 0 for none), working (the ids of the jobs it works on, looked
-- up after that, with spaces between), deaths (how many pods may die of a job), retention (milliseconds).
-- Returns lost (1 when this pod had been given up), rescued (jobs taken from dead pods and from this one), poisoned (jobs that too
-- many pods died of: id, class), due (jobs that the engine should have and may not: id, class, generation), queues (class, depth,
-- age in microseconds), bytes (what all jobs take), time.
local pod, lease, before = arg.pod, tonumber(arg.lease), tonumber(arg.before)
local pods = root .. ':pods'
purge()
local last = tonumber(redis.call('GET', root .. ':beat') or 0)
redis.call('SET', root .. ':beat', int(now))
-- When no pod could report for that long, silence is no sign of death.
if now - last > lease then
  for _, other in ipairs(redis.call('ZRANGE', pods, 0, -1)) do redis.call('ZADD', pods, int(now + lease), other) end
end
local lost = before > 0 and not redis.call('ZSCORE', pods, pod)
redis.call('ZADD', pods, int(now + lease), pod)

-- Jobs that the records give to this pod and the pod does not know: the reply to a claim was lost, or the end of a run could
-- not be written down. A job claimed since the last sign of life may be too young for the list.
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
for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. ':outbox', '-inf', int(now - tonumber(arg.patience)), 'LIMIT', 0, 200)) do
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
