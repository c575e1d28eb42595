-- Decides whether and when calls may start, by requests and tokens in one decision, on Redis's clock. One run books
-- several calls of one pod, one after the other. All times are whole microseconds, except ttl.
--
-- redis.go places these constants before the script:
--   Q          queue timeout: how long after its booking a call may still start
--   span       contract window + Q, within which starts are counted
--   reqT, reqB emission interval and burst tolerance of requests, times; both 0: requests are not limited
--   tokL, tokT, tokB  tokens per window (0: not limited), time per token, burst tolerance of the tokens, a time
--   slice      width of a slice of the token ledger
--   holdMax    longest pause a vendor can ask for
--   holdSlack  a pause that grows by less than this time is not announced to the other pods
--   ttl        milliseconds after which an unused state is forgotten
--
-- KEYS[1]  hash with all state of one contract: the fields read below, and tokens per slice in fields named by the
--          slice's number
-- ARGV     encoded in wire.go. [1]: for each call its tokens (-1: no call, only the report) and its longest wait (-1: a
--          background call, which may not wait and must leave half of the burst), all in one text. With a report:
--          [2] sleeping calls + 1 when this pod returns from local mode, else 0; [3] length of the pause that the
--          vendor asked for; [4] generation that the rest belongs to; [5] [6] tokens estimated and used by finished calls; [7]
--          correction of the token pace, a time; [8] number of refunds; then their marks, times; then pairs of slice
--          number and change in tokens
-- Returns  one text of numbers: for each call admitted (1 or 0), delay, mark, slice, cost, why; then generation, paused
--          (sum of all pauses), hold (rest of the present pause), used requests and used tokens, both in thousandths.
--          delay, mark, cost, paused and hold are times. why says which rule decided: 0 none, 1 requests, 2 tokens,
--          3 pause, 4 order of arrival.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local key = KEYS[1]
local function int(n) return string.format('%d', n) end
local function at(i) return tonumber(redis.call('HGET', key, int(i)) or 0) end

local s = redis.call('HMGET', key, 'gen', 'rtat', 'back', 'ttat', 'ratio', 'sum', 'low', 'last', 'hold', 'paused')
for i = 1, 10 do s[i] = tonumber(s[i] or 0) end
local gen, rtat, back, ttat, ratio, sum, low, last, hold, paused = unpack(s)
local returning, ask, report_gen = tonumber(ARGV[2] or 0), tonumber(ARGV[3] or 0), tonumber(ARGV[4] or 0)
local current, oldest = math.floor(now / slice), math.floor((now - span) / slice)

-- There is no state, or the clock went back by more than a window: begin with the burst used up.
local cold = gen == 0 or current < low
if cold then
  redis.call('DEL', key)
  gen = math.max(now, gen + 1)
  rtat, back, ttat, ratio, sum, low, last, hold, paused = 0, 0, 0, 1, 0, oldest, 0, 0, 0
end

-- No valid state is further ahead than this. If one is, the clock went back. Limit it.
hold = math.min(hold, now + holdMax)
local ahead = math.max(now, hold) + Q
rtat, last = math.min(rtat, ahead + reqB), math.min(last, ahead)
ttat = math.min(ttat, ahead + math.max(tokB, 2 * tokL * tokT))

-- Remove slices that are too old for the window of any later start.
if low < oldest then
  for i = low, math.min(oldest - 1, low + math.ceil((span + Q) / slice) + 1) do
    local had = at(i)
    if had > 0 then sum = sum - had end
    redis.call('HDEL', key, int(i))
  end
  low = oldest
  redis.call('PEXPIRE', key, ttl)
end

-- Refunds of calls that were booked and not made: at most the part that has not leaked out of the bucket since. A mark
-- is the end of the bucket right after the booking, plus the sum of all refunds until then.
if report_gen == gen then
  for i = 9, 8 + tonumber(ARGV[8]) do
    local r = math.min(reqT, tonumber(ARGV[i]) - back - now)
    if r > 0 then rtat, back = rtat - r, back + r end
  end
  ttat = math.max(now, math.max(ttat, now) + tonumber(ARGV[7]))
  local est, used = tonumber(ARGV[5]), tonumber(ARGV[6])
  if est > 0 then
    ratio = ratio + (used / est - ratio) * est / (est + tokL / 10)
    ratio = math.max(0.01, math.min(1, ratio))
  end
end

-- Corrections of the ledger. Slice 0 is the current slice: tokens that this pod used in local mode.
if #ARGV > 8 then
  for i = 9 + tonumber(ARGV[8]), #ARGV, 2 do
    local to, change = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if to == 0 then to = current elseif report_gen ~= gen then to = -1 end
    if to >= low then
      change = math.max(change, -at(to))
      redis.call('HINCRBY', key, int(to), int(change))
      sum = sum + change
    end
  end
end

-- The vendor asked for a pause. The whole schedule moves by as much as the pause grows, and sleeping calls move with it
-- in their order. The vendor may answer all running calls with a pause, each a little later. A growth below holdSlack
-- is not announced, because a message to every pod for each of those answers would overload Redis.
local till = now + math.min(ask, holdMax)
if ask > 0 and till > hold + (hold > now and holdSlack or 0) then
  local more = till - math.max(hold, now)
  rtat, ttat = math.max(rtat, now + reqB - reqT) + more, math.max(ttat, now + tokB) + more
  last, hold, paused = math.max(last, now) + more, till, paused + more
  redis.call('PUBLISH', key .. ':hold', int(gen) .. ' ' .. int(paused) .. ' ' .. int(hold - now))
end

-- After a return from local mode, and in a new state, the burst may have been used already, so it counts as used. Calls
-- of the pod that still sleep on local bookings count too.
if cold or returning > 0 then
  local first = math.ceil(math.max(tonumber(string.match(ARGV[1], '%S+')), 0) * ratio * tokT)
  rtat = math.max(rtat, now + reqB - reqT) + math.max(returning - 1, 0) * reqT
  ttat = math.max(ttat, now + math.max(tokB - first, 0))
end

-- Tokens that are booked in the same slice are written together.
local into, booked = 0, 0
local function write()
  if booked ~= 0 then redis.call('HINCRBY', key, int(into), int(booked)) end
  booked = 0
end

-- The earliest start that all rules allow. why is the rule that decided.
local start, why
local function after(t, because) if t > start then start, why = t, because end end

local function book(tokens, wait)
  start, why = now, 0
  local cost = math.ceil(math.max(tokens, 0) * ratio * tokT)
  -- Near the end of the tokens the pace slows down, so that calls flow evenly below the limit of the ledger.
  local slowed = math.ceil(cost * (tokL > 0 and 1 + 10 * math.max(0, math.min(1, sum / tokL) - 0.95) or 1))
  local ok, r, t = 1, math.max(rtat, now) + reqT, math.max(ttat, now) + slowed
  -- The first call of a new state starts at once, whatever its tokens are.
  if last == 0 then t = math.min(t, now + math.max(tokB, slowed)) end
  -- What a background call leaves to the others: nothing where the burst is but one call, and nothing as that first
  -- call: the state has no burst yet.
  local keepR, keepT = 0, 0
  if wait < 0 then
    wait = 0
    if last > 0 then
      keepR, keepT = math.floor((reqB - reqT) / 2), math.max(0, math.floor((tokB - slowed) / 2))
    end
  end
  if tokens >= 0 then
    after(hold, 3)
    after(last, 4) -- first come, first served
    after(r - reqB + keepR, 1)
    if tokL > 0 then
      after(t - math.max(tokB, slowed) + keepT, 2)
      local over, i = sum + tokens - tokL, low
      if over > 0 then write() end
      while over > 0 and i <= current + math.ceil(Q / slice) + 1 do over, i = over - at(i), i + 1 end
      if i > low then after(i * slice + span, 2) end
    end
    if start - now <= wait then
      rtat, last = r, start
      if tokL > 0 then
        ttat, sum = t, sum + tokens
        local to = math.floor(start / slice)
        if to ~= into then write() end
        into, booked = to, booked + tokens
      end
    else
      ok = 0
    end
  end
  return string.format('%d %d %d %d %d %d ', ok, start - now, rtat + back, math.floor(start / slice), cost, why)
end

local answers = ''
for tokens, wait in string.gmatch(ARGV[1], '(%S+) (%S+)') do
  answers = answers .. book(tonumber(tokens), tonumber(wait))
end
write()

-- Fields that seldom change are written only when they change.
local set = {'HSET', key, 'rtat', int(rtat), 'ttat', int(ttat), 'sum', int(sum), 'last', int(last)}
local function keep(name, value, had, form)
  if value ~= had or cold then
    set[#set + 1] = name
    set[#set + 1] = string.format(form, value)
  end
end
keep('gen', gen, s[1], '%d')
keep('back', back, s[3], '%d')
keep('ratio', ratio, s[5], '%.6f')
keep('low', low, s[7], '%d')
keep('hold', hold, s[9], '%d')
keep('paused', paused, s[10], '%d')
redis.call(unpack(set))
if cold then redis.call('PEXPIRE', key, ttl) end
return answers .. string.format('%d %d %d %d %d', gen, paused, math.max(hold - now, 0),
  reqB > 0 and 1000 * math.max(rtat - now, 0) / reqB or 0, tokL > 0 and 1000 * sum / tokL or 0)
