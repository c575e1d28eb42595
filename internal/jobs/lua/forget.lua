-- Takes a job out of the outbox that the engine has under a generation, unless it has been put back under another one meanwhile.
-- Arguments: id, generation.
local generation = redis.call('HGET', key('job', arg.id), 'turn')
if not generation or generation == arg.generation then redis.call('ZREM', root .. ':outbox', arg.id) end
return {}
