-- Accepts a job, or refuses it. A refusal changes nothing.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua:
--   id, user, class  of the new job
--   body             the request
--   fingerprint      hash of the request
--   keyhash          hash of the Idempotency-Key; '': the client sent none
--   key              the Idempotency-Key
--   trace            trace context of the request
--   open             number of jobs of one user that may be queued or running
--   bytes            memory that all jobs may take, in bytes
--   user_bytes       memory that the jobs of one user may take, in bytes
--   overhead         memory that a job takes without its body, in bytes
--   ttl              time after which the user's list of jobs expires, in milliseconds
-- Returns names and values: outcome, and for the first three id, class and generation of the job. The outcomes:
--   new         the job was accepted
--   known       the user's job with the same Idempotency-Key is still queued
--   started     the same, but that job is not queued any more
--   mismatch    a job with the same Idempotency-Key had another request
--   full        the user has too many jobs
--   user_bytes  the user's jobs take too much memory
--   bytes       all jobs take too much memory
--   redis_full  Redis has no memory left; reason is its reply
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

local made = redis.pcall('HSET', key('job', id), 'user', user, 'class', class, 'body', arg.body,
  'print', arg.fingerprint, 'client', arg.key, 'trace', arg.trace, 'state', 'queued', 'turn', 0, 'failures', 0,
  'created', int(now))
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
for _, old in ipairs(redis.call('ZRANGE', all, 0, 3)) do -- removes jobs whose results have expired
  if redis.call('EXISTS', key('job', old)) == 0 then redis.call('ZREM', all, old) end
end
redis.call('ZADD', all, int(now), id)
redis.call('PEXPIRE', all, arg.ttl)
return said('new', id, {'', class, '0'})
