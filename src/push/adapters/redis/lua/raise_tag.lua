-- Raise the version of a tag, and read the first page of its index or scopes in the same step.
-- The version follows the clock, so a version that Redis lost is never reused.
-- KEYS: 1 version, 2 sorted set
-- ARGV: 1 how long to keep the version (ms), 2 approximate number of names on the page
-- Returns what scan_tag returns
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0') + 1)
redis.call('SET', KEYS[1], string.format('%.0f', version), 'PX', ARGV[1])
return redis.call('ZSCAN', KEYS[2], '0', 'COUNT', ARGV[2])
