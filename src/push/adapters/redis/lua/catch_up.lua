-- Record how far a lagging connection has been pushed, and stop its lagging once it is level with its shard.
-- A connection is level if it has everything that the others have, and everything in the round that is under way:
-- that round skips lagging connections.
-- KEYS: 1 topic, 2 history, 3 lagging
-- ARGV: 1 shard, 2 connection, 3 mark, 4 epoch and 5 offset of the position that the connection has reached
-- Returns '' if the connection does not lag (any more), else its entry, which holds the position to go on from
local noted = redis.call('HGET', KEYS[3], ARGV[2])
if not noted then
  return ''
end
-- The mark differs: the connection began to lag again, and its entry holds the position that counts.
if string.match(noted, '^[^ ]+') ~= ARGV[3] then
  return noted
end
local cursor_field, target_field = 'cursor.' .. ARGV[1], 'target.' .. ARGV[1]
local epoch, head, cursor, target = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'head', cursor_field, target_field))
local offset = tonumber(ARGV[5])
if epoch == ARGV[4] then
  if offset > tonumber(head) then
    -- A failover lost the latest messages. End the epoch, so that their offsets are never reused.
    redis.call('DEL', KEYS[1], KEYS[2])
  elseif offset >= math.max(tonumber(cursor or 0), tonumber(target or 0)) then
    redis.call('HDEL', KEYS[3], ARGV[2])
    return ''
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
noted = string.format('%s %.0f %s:%s', ARGV[3], now, ARGV[4], ARGV[5])
redis.call('HSET', KEYS[3], ARGV[2], noted)
return noted
