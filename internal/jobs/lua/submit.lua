-- Takes a job in, or says why not; all of it or nothing.
-- Arguments: id, user, class, body, its fingerprint, keyhash (of the Idempotency-Key, '' for none), key, trace; open (the user's
-- limit of jobs), bytes and user_bytes (limits of what jobs take), overhead (bytes of a job without its body), ttl
-- (milliseconds after which the user's list is forgotten).
-- Returns outcome, id, class, generation. Outcomes: new; known, the job of the same key; started, the same and no longer queued;
-- mismatch, its body was another; full; user_bytes; bytes; redis_full, with the reason.
local id, user, class = arg.id, arg.user, arg.class
local function said(outcome, of, had) return {'outcome', outcome, 'id', of, 'class', had[2], 'generation', had[3]} end
local idem
if arg.keyhash ~= '' then
  idem = key('idem', user .. ':' .. arg.keyhash)
  local first = redis.call('GET', idem)
  local had = first and redis.call('HMGET', key('job', first), 'print', 'class', 'turn', 'state')
  if had and had[1] then
    if had[1] ~= arg.fingerprint then return {'outcome', 'mismatch'} end
    return said(had[4] == 'queued' and 'known' or 'started', first, had)
  end
end
if redis.call('SCARD', key('open', user)) >= tonumber(arg.open) then return {'outcome', 'full'} end
purge()
local size = #arg.body + #arg.key + tonumber(arg.overhead)
local function taken(counter) return tonumber(redis.call('GET', counter) or 0) end
if taken(key('bytes', user)) + size > tonumber(arg.user_bytes) then return {'outcome', 'user_bytes'} end
if taken(root .. ':bytes') + size > tonumber(arg.bytes) then return {'outcome', 'bytes'} end

local made = redis.pcall('HSET', key('job', id), 'user', user, 'class', class, 'body', arg.body, 'print', arg.fingerprint,
  'client', arg.key, 'trace', arg.trace, 'state', 'queued', 'turn', 0, 'failures', 0, 'created', int(now))
if type(made) == 'table' then return {'outcome', 'redis_full', 'reason', made.err} end
if idem then
  redis.call('SET', idem, id)
  redis.call('HSET', key('job', id), 'idem', idem)
end
occupy(id, user, size)
redis.call('SADD', key('open', user), id)
redis.call('ZADD', key('wait', class), int(now), id)
redis.call('ZADD', root .. ':outbox', int(now), id)
local all = key('all', user)
for _, old in ipairs(redis.call('ZRANGE', all, 0, 3)) do -- the oldest leave with their results
  if redis.call('EXISTS', key('job', old)) == 0 then redis.call('ZREM', all, old) end
end
redis.call('ZADD', all, int(now), id)
redis.call('PEXPIRE', all, arg.ttl)
return said('new', id, {'', class, '0'})
