-- Forget names: delete their copies and tokens, tell every process, and only then read who has to acknowledge.
-- KEYS: the register, then a copy and a token for each name. ARGV: channel, message, run of this server, the youngest
-- age in ms at which a register is believed. Answers the ids of the processes with a live row, or false where the register is
-- empty, of another run or too young to know everyone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #KEYS do
  redis.call('DEL', KEYS[i])
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
local rows = redis.call('HGETALL', KEYS[1])
local run, born, live = false, false, {}
for i = 1, #rows, 2 do
  if rows[i] == 'run' then
    run = rows[i + 1]
  elseif rows[i] == 'born' then
    born = tonumber(rows[i + 1])
  elseif tonumber(rows[i + 1]) > now then
    live[#live + 1] = rows[i]
  end
end
if run ~= ARGV[3] or not born or now - born < tonumber(ARGV[4]) or #live == 0 then
  return false
end
return live
