-- Add a key to a tag's index in its scope, and the scope to the tag's scopes, and read the tag's version in the same
-- step.
-- KEYS: 1 version in the scope, 2 version in all scopes, 3 index (sorted set of key names, scored by the time each may
--       be dropped (ms)), 4 scopes (sorted set of scopes, scored likewise)
-- ARGV: 1 name of the key, 2 scope, 3 how long both stay in the sets (ms), 4 how long to keep the versions (ms)
-- Returns what read_tag returns
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, 2 do
  -- Drop up to 100 expired names. Each call adds one, so the set shrinks faster than it grows.
  local expired = redis.call('ZRANGEBYSCORE', KEYS[i + 2], '-inf', now, 'LIMIT', 0, 100)
  if #expired > 0 then
    redis.call('ZREM', KEYS[i + 2], unpack(expired))
  end
  -- Each enlisting raises the score, so that delist_keys can tell that there was one.
  local before = tonumber(redis.call('ZSCORE', KEYS[i + 2], ARGV[i]) or '0')
  redis.call('ZADD', KEYS[i + 2], string.format('%.0f', math.max(now + ARGV[3], before + 1)), ARGV[i])
  if redis.call('PTTL', KEYS[i + 2]) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[i + 2], ARGV[3])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
local version, version_everywhere = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0)
local age = math.max(0, now - math.max(version, version_everywhere))
return {string.format('%.0f', version + version_everywhere), string.format('%.0f', age)}
