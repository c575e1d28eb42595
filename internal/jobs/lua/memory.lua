-- Reads how much memory Redis may use.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     none
-- Returns  names and values: maxmemory (bytes; 0: no limit), or error when the service's Redis user may not run INFO
local info = redis.pcall('INFO', 'memory')
if type(info) ~= 'string' then return {'error', info.err} end
return {'maxmemory', string.match(info, 'maxmemory:(%d+)') or '0'}
