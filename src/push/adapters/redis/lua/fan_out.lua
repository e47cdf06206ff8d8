-- Take or keep the lease of a topic's shard, move its cursor to what has been pushed, and read what is next.
-- Cursors are kept with the epoch, so that they are lost with it: one that is absent has seen nothing of the epoch.
-- KEYS: 1 topic, 2 history, 3 lease, 4 lagging, a hash: connection -> `<mark> <noted at (ms)> <epoch>:<offset>`
-- ARGV: 1 token, 2 lease term (ms), 3 shard, 4 how many entries at most, 5 epoch and 6 offset of what was pushed
--       (epoch '': nothing yet), 7 how long to keep who lags (ms), 8 a mark for those who lag from now on,
--       then connection and position of each
-- Returns {'busy', how long somebody else has the lease (ms)}
--         {'idle'} if there is no topic; the lease is free
--         {'round', epoch, offset of the cursor, offset of the head, 1 if nothing is missing, else 0, entries}
--         without entries all is pushed, and the lease is free
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
-- A failover that lost the latest messages: what was pushed is not there. Their offsets must not be given again.
if epoch and epoch == ARGV[5] and pushed > tonumber(head) then
  redis.call('DEL', KEYS[1], KEYS[2])
  epoch = false
end
if not epoch then
  redis.call('DEL', KEYS[3])
  return {'idle'}
end
cursor = tonumber(cursor or 0)
-- Beyond its round nobody has been pushed anything, and those who lag were held to that round.
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
-- A round that another worker left unfinished may have got further.
redis.call('HSET', KEYS[1], target_field, string.format('%.0f', math.max(target, tonumber(last))))
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return {'round', epoch, at, head, is_complete and 1 or 0, entries}
