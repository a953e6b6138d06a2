-- Renew a process's row in the register. A register that is missing, or from another run of the server, begins anew.
-- KEYS: the register.
-- ARGV: id of the process; life of a row in ms; run of this server.
-- Returns the time in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[3] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'run', ARGV[3], 'born', now)
end
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  if rows[i] ~= 'run' and rows[i] ~= 'born' and tonumber(rows[i + 1]) <= now then
    redis.call('HDEL', KEYS[1], rows[i])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], now + ARGV[2])
return now
