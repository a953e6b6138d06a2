-- Take tokens from all of a credential's limits, or from none: GCRA on this server's clock, in integers of ns and µs.
-- A bucket is a hash. Field "at": when it was last written, in µs. Field "used": how much of it was in use then, in ns;
-- this falls by one per ns. All other fields are the token batches that processes hold of it (id: size and end in µs).
-- A token batch counts as in use until it is exchanged or has ended, however long ago it was taken. So the tokens in
-- the bucket and the tokens held by processes are never more than one burst together.
-- KEYS: the buckets.
-- ARGV: id of the token batch to exchange, or ''; how many of its tokens are given back; id of the new token batch;
-- life of a token batch in ms; tokens needed; tokens wanted (0 and 0 only look); then for each bucket, the ns that one
-- token uses and the number of tokens it has.
-- Returns the number of tokens taken, from needed to wanted or 0; then for each bucket how much of it is in use, in ns.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local life, needed, granted = ARGV[4] * 1000, tonumber(ARGV[5]), tonumber(ARGV[6])
local used, is_changed = {}, {}
for i = 1, #KEYS do
  local each, has = tonumber(ARGV[5 + 2 * i]), tonumber(ARGV[6 + 2 * i])
  local at, before, out, last, back = now, 0, 0, 0, 0
  local rows = redis.call('HGETALL', KEYS[i])
  for j = 1, #rows, 2 do
    local name, value = rows[j], rows[j + 1]
    if name == 'at' then
      at = tonumber(value)
    elseif name == 'used' then
      before = tonumber(value)
    else
      local size, ends = string.match(value, '(%d+) (%d+)')
      size, ends = tonumber(size), tonumber(ends)
      out, last = out + size, math.max(last, ends)
      if name == ARGV[1] and ends > now then
        back = math.min(tonumber(ARGV[2]), size)
      end
      -- An end later than a new token batch would have comes from a clock that was since set back.
      if name == ARGV[1] or ends <= now or ends > now + life then
        redis.call('HDEL', KEYS[i], name)
        is_changed[i] = true
      end
    end
  end
  is_changed[i] = is_changed[i] or now < at
  local drained, since_last = math.max(now - at, 0) * 1000, math.max(now - last, 0) * 1000
  -- Token batches stay in use until the last of them has ended, and drain only then. What is given back counts as in use
  -- at least, so that the result is never below 0.
  used[i] = math.max(before - drained, out * each - since_last, back * each) - back * each
  granted = math.min(granted, math.floor((has * each - used[i]) / each))
end
if granted < needed then
  granted = 0
end
for i = 1, #KEYS do
  if granted > 0 or is_changed[i] then
    used[i] = used[i] + granted * ARGV[5 + 2 * i]
    redis.call('HSET', KEYS[i], 'at', string.format('%.0f', now), 'used', string.format('%.0f', used[i]))
    if granted > 0 then
      redis.call('HSET', KEYS[i], ARGV[3], string.format('%.0f %.0f', granted, now + life))
    end
    redis.call('PEXPIRE', KEYS[i], math.ceil(used[i] / 1000000) + 2 * ARGV[4])
  end
end
return {granted, unpack(used)}
