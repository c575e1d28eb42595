-- Shows a job of a user.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua: id, user
-- Returns names and values: state, class, created, started and ended (microseconds of Redis's clock), failures (failed
-- attempts), waiting, status, type, coding, problem, size (of the answer, in bytes), and before (the number of queued
-- jobs that go first: earlier ones of the same class, and all of higher classes). Empty when the user has no such job.
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
local f = fields(id, {'state', 'class', 'created', 'started', 'ended', 'failures', 'waiting', 'status', 'type',
  'coding', 'problem'})
f[#f + 1], f[#f + 2] = 'before', int(before)
f[#f + 1], f[#f + 2] = 'size', redis.call('HSTRLEN', key('job', id), 'answer')
return f
