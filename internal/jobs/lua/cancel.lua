-- Cancels a job of a user. A job that has ended stays as it is.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua:
--   id         ID of the job
--   user       ID of the user
--   retention  time that the result is kept, in milliseconds
--   overhead   memory that a job takes without its body or answer, in bytes
-- Returns names and values: state (before this run), class, generation. Empty when the user has no such job.
local id = arg.id
local had = redis.call('HMGET', key('job', id), 'user', 'state', 'class', 'turn')
if had[1] ~= arg.user then return {} end
if had[2] == 'queued' or had[2] == 'running' then ended(id, 'cancelled', arg.retention, tonumber(arg.overhead)) end
return {'state', had[2], 'class', had[3], 'generation', had[4]}
