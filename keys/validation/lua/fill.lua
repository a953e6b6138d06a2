-- Store copies. Each is stored only if this reader's fill token is still there: a write in between deletes the token.
-- KEYS: for each name, its copy and its token.
-- ARGV: this reader's nonce; life of a copy in ms from now; then the copies, '' for a name that has nothing to store.
-- Returns for each name 1 if its copy was stored, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = {}
for i = 1, #KEYS, 2 do
  stored[(i + 1) / 2] = 0
  if redis.call('GET', KEYS[i + 1]) == ARGV[1] then
    redis.call('DEL', KEYS[i + 1])
    local copy = ARGV[2 + (i + 1) / 2]
    local there = redis.call('GET', KEYS[i])
    local stamp = there and #there > 8 and struct.unpack('>I8', there)
    -- A later read replaces an earlier one, never the reverse. A stamp in the future comes from a clock since set back.
    if copy ~= '' and not (stamp and stamp <= now and stamp > struct.unpack('>I8', copy)) then
      redis.call('SET', KEYS[i], copy, 'PX', ARGV[2])
      stored[(i + 1) / 2] = 1
    end
  end
end
return stored
