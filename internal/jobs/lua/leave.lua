-- Reports what a worker did with a job.
-- KEYS[1]  root of all keys, see common.lua
-- ARGV     names and values, see common.lua:
--   id, generation, pod   the job, and the worker's pod
--   what                  the report; it decides which of the other arguments are needed:
--     succeeded, failed   the job has ended, with an answer: status, type, coding, answer, problem, retention
--                         (milliseconds), overhead (bytes), bytes (the limit for all jobs, in bytes), and lost_status
--                         and lost_problem, which replace an answer that does not fit into the memory
--     retry               an attempt failed; the engine brings the job again, under the same generation
--     wait                an operator must repair something first: waiting says what; the engine brings the job again
--     back                the job was not done; any free worker takes it
--     lost                the vendor was called and its answer was lost, which counts as an attempt: status, problem,
--                         attempts (the most there may be), retention (milliseconds), overhead (bytes)
-- Returns outcome:
--   done     the report was accepted, now or before, when the reply to the same report was lost
--   dropped  the answer did not fit, or was lost too often: the job has failed
--   stale    the job does not belong to this worker any more: it was cancelled or given to another
local id, pod, what = arg.id, arg.pod, arg.what
local job = key('job', id)
local had = redis.call('HMGET', job, 'state', 'turn', 'pod', 'said')
local report = pod .. ' ' .. arg.generation .. ' ' .. what
if had[1] ~= 'running' or had[2] ~= arg.generation or had[3] ~= pod then
  return {'outcome', had[4] == report and 'done' or 'stale'}
end
-- This first write shows whether Redis has memory left. It is repeated below, where Redis cannot refuse it any more.
local full = type(redis.pcall('HSET', job, 'said', report)) == 'table'

local function finish(state, status, problem, answer)
  ended(id, state, arg.retention, #answer + #problem + tonumber(arg.overhead))
  redis.call('HSET', job, 'said', report, 'status', status, 'problem', problem)
  if state == 'failed' then redis.call('HINCRBY', job, 'failures', 1) end
end

if what == 'succeeded' or what == 'failed' then
  local freed = redis.call('HSTRLEN', job, 'body')
  local taken = tonumber(redis.call('GET', root .. ':bytes') or 0)
  if #arg.answer > freed and (full or taken - freed + #arg.answer > tonumber(arg.bytes)) then
    finish('failed', arg.lost_status, arg.lost_problem, '')
    return {'outcome', 'dropped'}
  end
  finish(what, arg.status, arg.problem, arg.answer)
  redis.call('HSET', job, 'type', arg.type, 'coding', arg.coding, 'answer', arg.answer)
elseif what == 'lost' then
  if tonumber(redis.call('HGET', job, 'failures') or 0) + 1 >= tonumber(arg.attempts) then
    finish('failed', arg.status, arg.problem, '')
    return {'outcome', 'dropped'}
  end
  anew(id, pod, 0)
  redis.call('HINCRBY', job, 'failures', 1)
elseif what == 'retry' then
  again(id, pod, now)
  redis.call('HINCRBY', job, 'failures', 1)
elseif what == 'wait' then
  again(id, pod, now)
  redis.call('HSET', job, 'waiting', arg.waiting)
else
  anew(id, pod, now)
end
redis.call('HSET', job, 'said', report)
return {'outcome', 'done'}
