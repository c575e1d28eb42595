-- A pod says that it lives, and sees to what others left behind. ARGV: pod, lease and patience with the outbox in
-- microseconds, the time of the pod's last sign of life (0 for none), the ids of the jobs it works on, looked up after that.
-- Returns whether this pod had been given up, how many jobs were taken from dead pods and from this one, triples of id, class
-- and turn that the engine should have and may not, depth and age in microseconds of high, normal and low, and the time.
local pod, lease, before = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local pods = root .. ':pods'
local last = tonumber(redis.call('GET', root .. ':beat') or 0)
redis.call('SET', root .. ':beat', int(now))
-- When nobody could speak for that long, silence says nothing of anybody.
if now - last > lease then
  for _, other in ipairs(redis.call('ZRANGE', pods, 0, -1)) do redis.call('ZADD', pods, int(now + lease), other) end
end
local lost = before > 0 and not redis.call('ZSCORE', pods, pod)
redis.call('ZADD', pods, int(now + lease), pod)

-- What the record says of this pod and the pod does not know: the reply to a claim was lost, or the end of a run could not be
-- written down. A job claimed since the last sign of life may be too young for the list.
local working = {}
for i = 5, #ARGV do working[ARGV[i]] = true end
local rescued = 0
for _, id in ipairs(redis.call('SMEMBERS', key('runs', pod))) do
  local had = redis.call('HMGET', key('job', id), 'state', 'pod', 'started')
  if not working[id] and had[1] == 'running' and had[2] == pod and tonumber(had[3]) < before then
    redis.call('HINCRBY', key('job', id), 'turn', 1)
    again(id, pod, 0)
    rescued = rescued + 1
  end
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', pods, '-inf', int(now))) do
  for _, id in ipairs(redis.call('SMEMBERS', key('runs', dead))) do
    local had = redis.call('HMGET', key('job', id), 'state', 'pod')
    if had[1] == 'running' and had[2] == dead then
      redis.call('HINCRBY', key('job', id), 'turn', 1)
      again(id, dead, 0)
      rescued = rescued + 1
    end
  end
  redis.call('DEL', key('runs', dead))
  redis.call('ZREM', pods, dead)
end

local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', root .. ':outbox', '-inf', int(now - tonumber(ARGV[3])), 'LIMIT', 0, 200)) do
  local had = redis.call('HMGET', key('job', id), 'class', 'turn')
  if had[1] then
    due[#due + 1], due[#due + 2], due[#due + 3] = id, had[1], had[2]
  else
    redis.call('ZREM', root .. ':outbox', id)
  end
end

local queues = {}
for _, class in ipairs({'high', 'normal', 'low'}) do
  local oldest = redis.call('ZRANGE', key('wait', class), 0, 0, 'WITHSCORES')
  queues[#queues + 1] = redis.call('ZCARD', key('wait', class))
  queues[#queues + 1] = oldest[2] and math.max(0, now - tonumber(oldest[2])) or 0
end
return {lost and 1 or 0, rescued, due, queues, now}
