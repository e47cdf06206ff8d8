-- Raise the version of a tag. It follows the clock, so a version that Redis lost is never reused.
-- KEYS: 1 version
-- ARGV: 1 how long to keep it (ms)
-- Returns 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0') + 1)
redis.call('SET', KEYS[1], string.format('%.0f', version), 'PX', ARGV[1])
return 1
