-- Cancels a job of the user's. ARGV: id, user, retention in milliseconds. Returns the state it was in, its class and turn;
-- nothing when the user has no such job. A job that has ended stays as it is.
local id = ARGV[1]
local had = redis.call('HMGET', key('job', id), 'user', 'state', 'class', 'turn')
if had[1] ~= ARGV[2] then return {} end
if had[2] == 'queued' or had[2] == 'running' then ended(id, 'cancelled', ARGV[3]) end
return {had[2], had[3], had[4]}
