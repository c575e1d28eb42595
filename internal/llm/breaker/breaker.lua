-- The breaker's state machine, on Redis's clock. breakermachine.go says the same in Go; a test holds the two together.
-- KEYS[1]  hash: state, gen, until, wins, lease, seq, and ten slices of counts: s<i> slice number, n<i> calls, f<i> failures
-- ARGV     1 op  2 generation the step speaks of  3 calls or lease id  4 failures  5 rest of an open state the pod was told of
--          6 channel  7 failures to open  8 window  9 open  10 wins to close  11 lease; times in ms
-- returns  {state, gen, ms until the open state or the lease ends, lease id granted to this caller or 0}
local CLOSED, HALF, OPEN = 0, 1, 2
local key, op, about, arg, failures, known = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local max_failures, window, open_ms, max_wins, lease_ms =
  tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local v = redis.call('HMGET', key, 'state', 'gen', 'until', 'wins', 'lease', 'seq')
local state, gen, ends = tonumber(v[1]) or CLOSED, tonumber(v[2]) or 0, tonumber(v[3]) or 0
local wins, lease, seq = tonumber(v[4]) or 0, tonumber(v[5]) or 0, tonumber(v[6]) or 0
local granted = 0

local function left()
  if state == OPEN then return math.max(0, ends - now) end
  if state == HALF then return math.max(0, lease - now) end
  return 0
end

-- Nobody is harmed when the message cannot be sent, because every pod polls; so that must not fail the step.
local function store()
  redis.call('DEL', key)
  redis.call('HSET', key, 'state', state, 'gen', gen, 'until', ends, 'wins', 0, 'lease', 0, 'seq', seq)
  redis.pcall('PUBLISH', ARGV[6], state .. ' ' .. gen .. ' ' .. left())
end

-- A new state gets a new generation. Generations begin at the clock, so that they grow even when Redis has lost its data.
local function turn(to)
  state, gen, wins, lease = to, math.max(gen + 1, now), 0, 0
  if to == OPEN then ends = now + open_ms end
  store()
end

local function count()
  local slice_ms = math.max(1, math.floor(window / 10))
  local slice = math.floor(now / slice_ms)
  local i = slice % 10
  if tonumber(redis.call('HGET', key, 's' .. i)) ~= slice then
    redis.call('HSET', key, 's' .. i, slice, 'n' .. i, 0, 'f' .. i, 0)
  end
  redis.call('HINCRBY', key, 'n' .. i, arg)
  redis.call('HINCRBY', key, 'f' .. i, failures)
  redis.call('PEXPIRE', key, window + open_ms + lease_ms)
  if failures == 0 then return end
  local calls, failed = 0, 0
  for j = 0, 9 do
    local c = redis.call('HMGET', key, 's' .. j, 'n' .. j, 'f' .. j)
    if c[1] and tonumber(c[1]) > slice - 10 then
      calls, failed = calls + tonumber(c[2]), failed + tonumber(c[3])
    end
  end
  if failed >= max_failures and failed * 2 >= calls then turn(OPEN) end
end

-- A Redis that has lost its data is told by the pods what it had told them.
if gen == 0 and known > 0 then
  state, gen, ends = OPEN, about, now + known
  store()
end

-- No healthy state lies further ahead than this; one that does comes from a clock that went back.
if ends > now + open_ms then
  ends = now + open_ms
  redis.call('HSET', key, 'until', ends)
end
if lease > now + lease_ms then
  lease = now + lease_ms
  redis.call('HSET', key, 'lease', lease)
end

if state == OPEN and now >= ends then turn(HALF) end

if op == 'report' then
  if state == CLOSED and arg > 0 and (gen == 0 or gen == about) then count() end
elseif op == 'probe' then
  if state == HALF and now >= lease then
    seq, lease = seq + 1, now + lease_ms
    granted = seq
    redis.call('HSET', key, 'seq', seq, 'lease', lease)
  end
elseif state == HALF and gen == about and arg == seq and lease > 0 then -- from the one who holds the lease
  if op == 'lost' then
    turn(OPEN)
  elseif op == 'won' and wins + 1 >= max_wins then
    turn(CLOSED)
  else -- renewed; or won, but not often enough; or freed without a verdict
    if op == 'won' then wins = wins + 1 end
    lease = op == 'renew' and now + lease_ms or 0
    redis.call('HSET', key, 'wins', wins, 'lease', lease)
  end
end
return {state, gen, left(), granted}
