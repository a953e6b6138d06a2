-- Queue a usage batch for the worker, if a worker has been alive lately and the queue has room.
-- KEYS: the queue; the worker's sign of life.
-- ARGV: the batch; the maximum number of queued batches.
-- Returns 1 if the batch was queued, else 0.
if redis.call('EXISTS', KEYS[2]) == 0 or redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('XADD', KEYS[1], '*', 'batch', ARGV[1])
return 1
