-- Read the entries after a position in a topic's history.
-- KEYS: 1 topic, 2 history
-- ARGV: 1 epoch to start if the topic has none, 2 how long to keep the topic (ms), 3 epoch and 4 offset of the
--       position (epoch '': the latest entries), 5 most entries to read
-- Returns {epoch, offset of the head as a string, 1 if nothing is missing, else 0, entries}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'head', 0)
  redis.call('DEL', KEYS[2])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local head = redis.call('HGET', KEYS[1], 'head')
local limit = tonumber(ARGV[5])
if ARGV[3] == '' then
  local from = string.format('%.0f', math.max(1, head - limit + 1))
  local entries = limit > 0 and redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', limit) or {}
  return {epoch, head, 1, entries}
end
local after = tonumber(ARGV[4])
if ARGV[3] == epoch then
  if after == tonumber(head) then
    return {epoch, head, 1, {}}
  end
  local following = string.format('%.0f', after + 1)
  local entries = redis.call('XRANGE', KEYS[2], following, '+', 'COUNT', limit)
  -- Offsets have no gaps and the oldest entries go first, so the first entry shows whether any are missing.
  if entries[1] and string.match(entries[1][1], '%d+') == following then
    return {epoch, head, 1, entries}
  end
end
return {epoch, head, 0, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)}
