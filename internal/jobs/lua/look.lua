-- Shows a job of the user's. ARGV: id, user. Returns nothing when the user has no such job, else its fields and how many
-- jobs stand before it: those of its class that came earlier, and all of the classes above.
local id = ARGV[1]
local f = redis.call('HMGET', key('job', id), 'user', 'state', 'class', 'created', 'started', 'ended', 'failures', 'status', 'type', 'problem')
if f[1] ~= ARGV[2] then return {} end
local before = 0
if f[2] == 'queued' then
  before = redis.call('ZRANK', key('wait', f[3]), id) or 0
  for _, class in ipairs({'high', 'normal'}) do
    if class == f[3] then break end
    before = before + redis.call('ZCARD', key('wait', class))
  end
end
for i = 1, 10 do f[i] = f[i] or '' end
f[11] = int(before)
return f
