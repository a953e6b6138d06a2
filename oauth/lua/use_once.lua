-- Remember that a client assertion was used, until it has expired by every clock. KEYS: the memory, a sorted set.
-- ARGV: the assertion's name, its expiry and its issue in seconds since the epoch, how far clocks may be ahead, and the
-- run of this server. Answers 1 for a first use, 0 for another, -1 where the memory is younger than the assertion and
-- so cannot tell. An empty name has the memory begin where there is none, and remembers nothing. Members are scored by
-- their expiry, and as many seconds more as this clock may be ahead of that of whoever checks it. When the memory was
-- born stands in it as well, as a negative score under the run's name: where the memory was evicted, flushed or comes
-- from another run's dump, its birth is gone with it.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local born = redis.call('ZSCORE', KEYS[1], 'born:' .. ARGV[5])
if not born then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], -now, 'born:' .. ARGV[5])
  born = -now
end
if ARGV[1] == '' then
  return 1
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(0', now)
if tonumber(ARGV[3]) <= -tonumber(born) + tonumber(ARGV[4]) then
  return -1
end
return redis.call('ZADD', KEYS[1], 'NX', ARGV[2] + ARGV[4], ARGV[1])
