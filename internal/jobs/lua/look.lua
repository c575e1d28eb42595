-- Shows a job of the user's. Arguments: id, user. Returns nothing when the user has no such job, else its fields and before, how
-- many jobs stand before it: those of its class that came earlier, and all of the classes above.
local id = arg.id
local user, state, class = unpack(redis.call('HMGET', key('job', id), 'user', 'state', 'class'))
if user ~= arg.user then return {} end
local before = 0
if state == 'queued' then
  before = redis.call('ZRANK', key('wait', class), id) or 0
  for _, above in ipairs({'high', 'normal'}) do
    if above == class then break end
    before = before + redis.call('ZCARD', key('wait', above))
  end
end
local f = fields(id, {'state', 'class', 'created', 'started', 'ended', 'failures', 'waiting', 'status', 'type', 'coding', 'problem'})
f[#f + 1], f[#f + 2] = 'before', int(before)
return f
