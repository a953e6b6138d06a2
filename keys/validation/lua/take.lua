-- Read the shared copies of names, and take a fill token for each name without a copy that is young enough.
-- KEYS: for each name, its copy and its token.
-- ARGV: this reader's nonce; life of a token in ms; then for each name the age in ms below which its copy will do.
-- Returns the time in ms; then for each name its copy or false, and 1 if this reader took the token, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {now}
for i = 1, #KEYS, 2 do
  local copy = redis.call('GET', KEYS[i])
  local age = copy and #copy > 8 and now - struct.unpack('>I8', copy)
  local is_fresh = age and age >= 0 and age < tonumber(ARGV[2 + (i + 1) / 2])
  answer[#answer + 1] = copy
  if is_fresh then
    answer[#answer + 1] = 0
  else
    answer[#answer + 1] = redis.call('SET', KEYS[i + 1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
  end
end
return answer
