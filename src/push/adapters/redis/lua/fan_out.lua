-- Take or renew the lease of a topic's shard, move its cursor to what has been pushed, and read the next round.
-- Cursors are stored in the topic's hash, so they are lost with its epoch. Without a cursor, nothing of the epoch has
-- been pushed.
-- KEYS: 1 topic, 2 history, 3 lease, 4 lagging (hash: connection -> `<mark> <recorded at (ms)> <epoch>:<offset>`)
-- ARGV: 1 token, 2 lease term (ms), 3 shard, 4 most entries to read, 5 epoch and 6 offset of the last pushed message
--       (epoch '': nothing yet), 7 how long to keep lagging connections (ms), 8 mark for the connections that follow,
--       then connection and position for each connection that begins to lag
-- Returns {'busy', how long another worker holds the lease (ms)}
--         {'idle'} if the topic does not exist; the lease is free
--         {'round', epoch, offset of the cursor, offset of the head, 1 if nothing is missing, else 0, entries}
--         no entries: everything is pushed, and the lease is free
local held = redis.call('GET', KEYS[3])
if held and held ~= ARGV[1] then
  return {'busy', math.max(0, redis.call('PTTL', KEYS[3]))}
end
if #ARGV > 8 then
  local time = redis.call('TIME')
  local noted = string.format('%s %.0f ', ARGV[8], time[1] * 1000 + math.floor(time[2] / 1000))
  for number = 9, #ARGV, 2 do
    redis.call('HSETNX', KEYS[4], ARGV[number], noted .. ARGV[number + 1])
  end
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
end
local cursor_field, target_field = 'cursor.' .. ARGV[3], 'target.' .. ARGV[3]
local epoch, head, cursor, target = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'head', cursor_field, target_field))
local pushed = tonumber(ARGV[6])
-- A failover lost messages that were pushed. End the epoch, so that their offsets are never reused.
if epoch and epoch == ARGV[5] and pushed > tonumber(head) then
  redis.call('DEL', KEYS[1], KEYS[2])
  epoch = false
end
if not epoch then
  redis.call('DEL', KEYS[3])
  return {'idle'}
end
cursor = tonumber(cursor or 0)
-- Nothing beyond the round was pushed, and catch_up.lua holds lagging connections to that round.
target = tonumber(target or 0)
pushed = math.min(pushed, target)
if epoch == ARGV[5] and pushed > cursor then
  cursor = pushed
  redis.call('HSET', KEYS[1], cursor_field, string.format('%.0f', cursor))
end
local at = string.format('%.0f', cursor)
if cursor >= tonumber(head) then
  redis.call('DEL', KEYS[3])
  return {'round', epoch, at, head, 1, {}}
end
local following = string.format('%.0f', cursor + 1)
local entries = redis.call('XRANGE', KEYS[2], following, '+', 'COUNT', ARGV[4])
local is_complete = entries[1] and string.match(entries[1][1], '%d+') == following
local last = head
if is_complete then
  last = string.match(entries[#entries][1], '%d+')
else
  entries = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
end
-- Another worker may have left a round unfinished that reached further.
redis.call('HSET', KEYS[1], target_field, string.format('%.0f', math.max(target, tonumber(last))))
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return {'round', epoch, at, head, is_complete and 1 or 0, entries}
