-- The state machine of the breaker, on Redis's clock. machine.go and window.go have the same in Go; a test compares them.
-- KEYS[1]  hash: state, gen (generation), until (end of the open state), opened (open states in a row), wins
--          (successful probes in a row), lease (end of the probe's lease), seq (number of the last lease), holder (that
--          number and the name of the question that it answers), row (failures in a row), and ten slices of counts:
--          s<i> number of the slice, n<i> calls, f<i> failures, u<i> callers, w<i> users whose calls failed (u and w:
--          "" none, "*" MOST_USERS or more, else fingerprints with commas)
-- ARGV     encoded in wire.go
-- Returns  {state, generation, time until the open state or the lease ends, number of the lease that this caller got}
--          (0: none)
-- All times are whole milliseconds.
local CLOSED, HALF, OPEN = 0, 1, 2
local ENOUGH_CALLS, MANY_USERS, MOST_USERS = 10, 5, 9
local key, op, channel = KEYS[1], ARGV[1], ARGV[2]
local about, asked_lease, known = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local calls, failures, row_end = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local callers, failing = ARGV[9], ARGV[10]
local max_failures, window, open_ms, open_max, max_wins, lease_ms = tonumber(ARGV[11]), tonumber(ARGV[12]),
  tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local asker = ARGV[17]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local v = redis.call('HMGET', key, 'state', 'gen', 'until', 'wins', 'lease', 'seq', 'opened', 'row', 'holder')
local state, gen, ends = tonumber(v[1]) or CLOSED, tonumber(v[2]) or 0, tonumber(v[3]) or 0
local wins, lease, seq = tonumber(v[4]) or 0, tonumber(v[5]) or 0, tonumber(v[6]) or 0
local opened, row, holder = tonumber(v[7]) or 0, tonumber(v[8]) or 0, v[9] or ''
local granted = 0

local function left()
  if state == OPEN then return math.max(0, ends - now) end
  if state == HALF then return math.max(0, lease - now) end
  return 0
end

-- An error of PUBLISH must not fail the step: every pod also polls.
local function store()
  redis.call('DEL', key)
  redis.call('HSET', key, 'state', state, 'gen', gen, 'until', ends, 'opened', opened, 'wins', 0, 'lease', 0,
    'seq', seq)
  redis.pcall('PUBLISH', channel, state .. ' ' .. gen .. ' ' .. left())
end

-- The open state becomes twice as long each time the breaker opens again without having closed.
local function open_for()
  local d = open_ms
  for _ = 1, opened do
    if d >= open_max then break end
    d = d * 2
  end
  return math.max(open_ms, math.min(d, open_max))
end

-- A new state has a new generation. A generation is at least the time, so that it grows even when Redis has lost its
-- data.
local function change(to)
  state, gen, wins, lease, holder = to, math.max(gen + 1, now), 0, 0, ''
  if to == OPEN then
    ends = now + open_for()
    opened = opened + 1
  elseif to == CLOSED then
    opened = 0
  end
  store()
end

-- The size of a set of users.
local function size(set)
  if set == '*' then return MOST_USERS end
  local _, n = string.gsub(set, '%d+', '')
  return n
end

-- The union of two sets of users.
local function union(a, b)
  if a == '' or b == '*' then return b end
  if b == '' or a == '*' or a == b then return a end
  for one in string.gmatch(b, '%d+') do
    if not string.find(',' .. a .. ',', ',' .. one .. ',', 1, true) then a = a .. ',' .. one end
  end
  return size(a) >= MOST_USERS and '*' or a
end

-- The number of binary digits of n: as many failures in a row open the breaker of a vendor with n calls.
local function bits(n)
  local digits = 0
  while n >= 1 do
    n = math.floor(n / 2)
    digits = digits + 1
  end
  return digits
end

local function count()
  local slice_ms = math.max(1, math.floor(window / 10))
  local slice = math.floor(now / slice_ms)
  local i = slice % 10
  local s = redis.call('HMGET', key, 's' .. i, 'n' .. i, 'f' .. i, 'u' .. i, 'w' .. i)
  local n, f, u, w = 0, 0, '', ''
  if tonumber(s[1]) == slice then
    n, f, u, w = tonumber(s[2]), tonumber(s[3]), s[4] or '', s[5] or ''
  end
  row = failures < calls and row_end or row + row_end
  redis.call('HSET', key, 's' .. i, slice, 'n' .. i, n + calls, 'f' .. i, f + failures,
    'u' .. i, union(u, callers), 'w' .. i, union(w, failing), 'row', row)
  redis.call('PEXPIRE', key, window + math.max(open_ms, open_max) + lease_ms)
  if failures == 0 then return end
  local all, failed, all_users, failed_users = 0, 0, '', ''
  local lately_users, lately_failed = '', '' -- of the last two slices, in which users call at the same time
  for j = 0, 9 do
    local c = redis.call('HMGET', key, 's' .. j, 'n' .. j, 'f' .. j, 'u' .. j, 'w' .. j)
    if c[1] and tonumber(c[1]) > slice - 10 then
      all, failed = all + tonumber(c[2]), failed + tonumber(c[3])
      all_users, failed_users = union(all_users, c[4] or ''), union(failed_users, c[5] or '')
      if tonumber(c[1]) > slice - 2 then
        lately_users, lately_failed = union(lately_users, c[4] or ''), union(lately_failed, c[5] or '')
      end
    end
  end
  -- Failures of a few users say nothing about the vendor while as many others call. Those of one user say nothing while
  -- any other user has called in the window.
  local failing_now = size(lately_failed)
  if size(failed_users) == 1 then
    if size(all_users) > 1 then return end
  elseif failing_now < MANY_USERS and 2 * failing_now <= size(lately_users) then
    return
  end
  local most_fail = all >= ENOUGH_CALLS and failed >= max_failures and failed * 2 > all
  if most_fail or row >= math.max(max_failures, bits(all)) then change(OPEN) end
end

-- Redis has lost its data: take the open state from the pod, which had it from Redis.
if gen == 0 and known > 0 then
  state, gen, ends, opened = OPEN, about, now + known, 1
  store()
end

-- A valid state does not end later than this. A later end means that the clock went back.
local furthest = math.max(open_ms, open_max)
if ends > now + furthest then
  ends = now + furthest
  redis.call('HSET', key, 'until', ends)
end
if lease > now + lease_ms then
  lease = now + lease_ms
  redis.call('HSET', key, 'lease', lease)
end

if state == OPEN and now >= ends then change(HALF) end

if op == 'report' then
  if state == CLOSED and calls > 0 and (gen == 0 or gen == about) then count() end
elseif op == 'probe' then
  -- A question that is asked again, because its answer was lost, gets the same lease. When that lease has been given
  -- back, the question is an old one that came late, and no pod waits for its answer. Pods of versions that name no
  -- questions count seq up and leave holder as it is.
  local again = asker ~= '' and holder == seq .. ' ' .. asker
  if state == HALF and (again and lease > 0 or not again and now >= lease) then
    if not again then seq = seq + 1 end
    granted, lease = seq, now + lease_ms
    redis.call('HSET', key, 'seq', seq, 'lease', lease, 'holder', seq .. ' ' .. asker)
  end
elseif state == HALF and gen == about and asked_lease == seq and lease > 0 then -- from the holder of the lease
  if op == 'lost' then
    change(OPEN)
  elseif op == 'won' and wins + 1 >= max_wins then
    change(CLOSED)
  else -- renew; or won, but not often enough; or freed without a result
    if op == 'won' then wins = wins + 1 end
    lease = op == 'renew' and now + lease_ms or 0
    redis.call('HSET', key, 'wins', wins, 'lease', lease)
  end
end
return {state, gen, left(), granted}
