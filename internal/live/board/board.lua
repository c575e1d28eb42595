-- Leaves the figures of a pod and, when they are wanted, returns those of all.
--
-- KEYS[1]  pods that have left figures: a sorted set, by the time in ms
-- KEYS[2]  there while a page wants figures
-- KEYS[3]  the figures of this pod
-- ARGV     ID of this pod, its figures, 1 to ask for all, ms to keep what is left, pods to return at most
local pod, figures, want, kept, most = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if figures ~= '' then
  redis.call('SET', KEYS[3], figures, 'PX', kept)
  redis.call('ZADD', KEYS[1], now, pod)
  redis.call('PEXPIRE', KEYS[1], kept)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - kept)
if not want then
  return {}
end
redis.call('SET', KEYS[2], 1, 'PX', kept + 1000) -- longer than the pause in which pods look

local root = string.sub(KEYS[1], 1, -5)
local left = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, most - 1)) do
  local found = redis.call('GET', root .. 'pod:' .. id)
  if found then
    left[#left + 1] = found
  end
end
return left
