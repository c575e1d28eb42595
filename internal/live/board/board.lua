-- Stores the figures of a pod for the live page and, on request, returns the figures of all pods.
-- KEYS[1]  sorted set of the pods that have stored figures, by the time in milliseconds
-- KEYS[2]  key that exists while a page wants figures
-- KEYS[3]  figures of this pod
-- ARGV     ID of this pod; its figures, '': none; 1 to ask for the figures of all pods; how long figures are kept, in
--          milliseconds; the most pods to return
-- Returns  number of pods that have stored figures, and the figures of the others, newest first; empty when they were
--          not asked for
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
redis.call('SET', KEYS[2], 1, 'PX', kept + 1000) -- longer than the time between two looks of a pod

local root = string.sub(KEYS[1], 1, -5)
local left = {tostring(redis.call('ZCARD', KEYS[1]))}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, most)) do
  local found = id ~= pod and redis.call('GET', root .. 'pod:' .. id)
  if found and #left <= most then
    left[#left + 1] = found
  end
end
return left
