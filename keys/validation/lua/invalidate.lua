-- Invalidate names: delete their copies and tokens, publish the message, and only then read the register of processes
-- that have to acknowledge.
-- KEYS: the register; then for each name its copy and its token.
-- ARGV: channel; message; run of this server; age in ms from which a register is sure to list every process.
-- Returns the ids of the processes with a live row; false if the register is empty, from another run or too young.
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
