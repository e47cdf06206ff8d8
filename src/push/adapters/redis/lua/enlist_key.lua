-- Add a key to a tag's index, and read the tag's version in the same step.
-- KEYS: 1 version, 2 index (sorted set of key names, scored by the time each may be dropped (ms))
-- ARGV: 1 name of the key, 2 how long it stays in the index (ms), 3 how long to keep the version (ms)
-- Returns the version, '0' if the tag never changed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Drop up to 100 expired names. Each call adds one, so the index shrinks faster than it grows.
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)
if #expired > 0 then
  redis.call('ZREM', KEYS[2], unpack(expired))
end
redis.call('ZADD', KEYS[2], 'GT', string.format('%.0f', now + ARGV[2]), ARGV[1])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('GET', KEYS[1]) or '0'
