-- Cancels a job of the user's. Arguments: id, user, retention (milliseconds), overhead (bytes). Returns the state it was in, its
-- class and generation; nothing when the user has no such job. A job that has ended stays as it is.
local id = arg.id
local had = redis.call('HMGET', key('job', id), 'user', 'state', 'class', 'turn')
if had[1] ~= arg.user then return {} end
if had[2] == 'queued' or had[2] == 'running' then ended(id, 'cancelled', arg.retention, tonumber(arg.overhead)) end
return {'state', had[2], 'class', had[3], 'generation', had[4]}
