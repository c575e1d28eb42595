-- Takes a job in, or says why not; all of it or nothing.
-- ARGV: id, user, class, body, its fingerprint, hash of the Idempotency-Key ('' for none), that key, traceparent, the
-- user's limit, milliseconds after which the user's list is forgotten.
-- Returns outcome, id, class, turn: 'new'; 'known', the job of the same key; 'mismatch', which had another body; 'full'.
local id, user, class, body, print = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local idem
if ARGV[6] ~= '' then
  idem = key('idem', user .. ':' .. ARGV[6])
  local first = redis.call('GET', idem)
  local had = first and redis.call('HMGET', key('job', first), 'print', 'class', 'turn', 'state')
  if had and had[1] then
    if had[1] ~= print then return {'mismatch', first, '', '0'} end
    return {had[4] == 'queued' and 'known' or 'started', first, had[2], had[3]}
  end
end
if redis.call('SCARD', key('open', user)) >= tonumber(ARGV[9]) then return {'full', '', '', '0'} end

redis.call('HSET', key('job', id), 'user', user, 'class', class, 'body', body, 'print', print, 'client', ARGV[7], 'trace', ARGV[8],
  'state', 'queued', 'turn', 0, 'failures', 0, 'created', int(now))
if idem then
  redis.call('SET', idem, id)
  redis.call('HSET', key('job', id), 'idem', idem)
end
redis.call('SADD', key('open', user), id)
redis.call('ZADD', key('wait', class), int(now), id)
redis.call('ZADD', root .. ':outbox', int(now), id)
local all = key('all', user)
for _, old in ipairs(redis.call('ZRANGE', all, 0, 3)) do -- the oldest leave with their results
  if redis.call('EXISTS', key('job', old)) == 0 then redis.call('ZREM', all, old) end
end
redis.call('ZADD', all, int(now), id)
redis.call('PEXPIRE', all, ARGV[10])
return {'new', id, class, '0'}
