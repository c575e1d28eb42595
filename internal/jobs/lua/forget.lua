-- Takes a job out of the outbox, because the engine has it. A job that was queued again meanwhile, under another
-- generation, stays there.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua: id, generation (of the job that the engine has)
-- Returns nothing
local generation = redis.call('HGET', key('job', arg.id), 'turn')
if not generation or generation == arg.generation then redis.call('ZREM', root .. ':outbox', arg.id) end
return {}
