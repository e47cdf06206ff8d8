-- Note how far a lagging connection has been pushed, and let it lag no more if it is level with its shard.
-- Level is who has what all others have, and what the round under way is pushing to them, from which it is left out.
-- KEYS: 1 topic, 2 history, 3 lagging
-- ARGV: 1 shard, 2 connection, 3 mark, 4 epoch and 5 offset of how far it is
-- Returns '' if it does not lag (any more), else what is noted of it, from where it must go on
local noted = redis.call('HGET', KEYS[3], ARGV[2])
if not noted then
  return ''
end
-- It fell behind again, and may be where it said it is, not where it was pushed to.
if string.match(noted, '^[^ ]+') ~= ARGV[3] then
  return noted
end
local cursor_field, target_field = 'cursor.' .. ARGV[1], 'target.' .. ARGV[1]
local epoch, head, cursor, target = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'head', cursor_field, target_field))
local offset = tonumber(ARGV[5])
if epoch == ARGV[4] then
  if offset > tonumber(head) then
    -- A failover that lost the latest messages: their offsets must not be given again.
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
