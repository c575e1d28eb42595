-- Takes a job out of the outbox that the engine has under a turn, unless it has been put back under another one meanwhile.
-- ARGV: id, turn. Returns how many were taken out.
local turn = redis.call('HGET', key('job', ARGV[1]), 'turn')
if turn and turn ~= ARGV[2] then return 0 end
return redis.call('ZREM', root .. ':outbox', ARGV[1])
