-- The bucket of tokens of one user, on Redis's clock. tokenbucket.go computes the same in a pod's memory.
-- KEYS[1]  hash: full (time at which the bucket is full again), back (sum of all refunds, as a time), limit (tokens per
--          window, of the last booking)
-- ARGV     encoded in tokenscript.go: "book", tokens, limit (tokens per window); or "settle", tokens used beyond the
--          booking (negative: less), mark of the booking
-- Returns  {1 when allowed, else 0; time until the bucket is full; wait until the booking fits; mark}
-- All times are whole microseconds.
local WINDOW, SLACK, TTL = 60000000, 1000000, 3600000
local key, op, tokens = KEYS[1], ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function int(n) return string.format('%d', n) end

local had = redis.call('HMGET', key, 'full', 'back', 'limit')
local full, back, limit = tonumber(had[1]) or 0, tonumber(had[2]) or 0, tonumber(had[3]) or 0

-- No debt is larger than this. A larger one means that the clock went back: the bucket begins anew.
if full > now + 2 * WINDOW + SLACK then full, back = now, 0 end

local function time_of(n) return math.floor(n * WINDOW / limit) end

if op == 'book' then
  limit, full = tonumber(ARGV[3]), math.max(full, now)
  local wait = full + time_of(tokens) - now - WINDOW
  if wait > 0 then return {0, full - now, wait, 0} end
  full = full + time_of(tokens)
  redis.call('HSET', key, 'full', int(full), 'back', int(back), 'limit', int(limit))
  -- The key lives longer than the bucket needs to fill, because settlements of long streams need "back".
  redis.call('PEXPIRE', key, TTL)
  return {1, full - now, 0, full + back}
end

if limit == 0 then return {1, 0, 0, 0} end
local change = time_of(tokens)
if change >= 0 then
  full = math.min(math.max(full, now) + change, now + 2 * WINDOW)
else
  local give = math.min(-change, tonumber(ARGV[3]) - back - now)
  if give > 0 then full, back = full - give, back + give end
end
redis.call('HSET', key, 'full', int(full), 'back', int(back))
return {1, math.max(0, full - now), 0, 0}
