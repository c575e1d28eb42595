-- A pod says that it lives, and sees to what others left behind. ARGV: pod, lease and patience with the outbox in
-- microseconds, 1 when the pod has said so before.
-- Returns whether this pod had been given up, how many jobs were taken from dead pods, triples of id, class and turn that
-- the engine should have and may not, and depth and age in microseconds of high, normal and low.
local pod, lease = ARGV[1], tonumber(ARGV[2])
local pods = root .. ':pods'
local last = tonumber(redis.call('GET', root .. ':beat') or 0)
redis.call('SET', root .. ':beat', int(now))
-- When nobody could speak for that long, silence says nothing of anybody.
if now - last > lease then
  for _, other in ipairs(redis.call('ZRANGE', pods, 0, -1)) do redis.call('ZADD', pods, int(now + lease), other) end
end
local lost = ARGV[4] == '1' and not redis.call('ZSCORE', pods, pod)
redis.call('ZADD', pods, int(now + lease), pod)

local rescued = 0
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
return {lost and 1 or 0, rescued, due, queues}
