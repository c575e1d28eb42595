-- What a worker reports when it is done with a job. Arguments: id, generation, pod, what, then by what:
--   succeeded, failed   status, type, coding, answer, problem; retention (milliseconds), overhead, bytes (what answers may take in
--                       all); lost_status and lost_problem, in place of an answer that does not fit
--   retry               an attempt failed; the engine brings the job again, under the same generation
--   wait                the service's operator has to mend something: waiting says what; the engine brings the job again
--   back                not done; any free worker takes it
--   lost                the vendor was called and its answer is lost: an attempt; status, problem, attempts, retention, overhead
-- Returns outcome: done, also when the same has been reported before and the reply was lost; dropped, when the answer did not fit;
-- stale, when the job is not this worker's any more: it was cancelled, or given to another.
local id, pod, what = arg.id, arg.pod, arg.what
local job = key('job', id)
local had = redis.call('HMGET', job, 'state', 'turn', 'pod', 'said')
local report = pod .. ' ' .. arg.generation .. ' ' .. what
if had[1] ~= 'running' or had[2] ~= arg.generation or had[3] ~= pod then
  return {'outcome', had[4] == report and 'done' or 'stale'}
end
-- This first write shows whether Redis has memory left. It takes little, and is made again below, where Redis has to take it.
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
