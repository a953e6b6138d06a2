-- Queue a batch of usage for the worker, if one has been at work lately and the queue has room.
-- KEYS: the queue, the worker's sign of life. ARGV: the batch, the most batches that may wait. Answers 1 where it was queued.
if redis.call('EXISTS', KEYS[2]) == 0 or redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('XADD', KEYS[1], '*', 'batch', ARGV[1])
return 1
