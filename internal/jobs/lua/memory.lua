-- Returns maxmemory, the memory in bytes that Redis may use, 0 for no limit; or error, when the service's user may not ask.
local info = redis.pcall('INFO', 'memory')
if type(info) ~= 'string' then return {'error', info.err} end
return {'maxmemory', string.match(info, 'maxmemory:(%d+)') or '0'}
