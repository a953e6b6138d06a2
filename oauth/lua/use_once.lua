-- Record that a client assertion was used, until it has expired by every clock.
-- KEYS: the replay memory, a sorted set.
-- ARGV: the assertion's digest (a member of the set), its expiry and its issue time in seconds since the epoch, the
-- allowed clock difference in seconds, and the run id of this Redis server.
-- Returns 1 for a first use, 0 for a repeated use, and -1 if the memory may be younger than the assertion.
-- With an empty digest the script only creates the memory if there is none, and records nothing.
-- A member's score is the expiry plus the allowed clock difference: this server's clock may be ahead of the clock of
-- the process that checks the assertion.
-- The set also holds the time of its creation, as a negative score under a member with the run id. If the set was
-- evicted, flushed or loaded from another run's dump, that member is missing and the memory starts again.
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
