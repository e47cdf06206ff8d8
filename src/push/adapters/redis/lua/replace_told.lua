-- Note who a topic's subscribers are told is there, and return what was noted before.
-- KEYS: 1 told
-- ARGV: 1 what to note, 2 how long to keep it (ms)
-- Returns what was noted, '' if nothing
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return before or ''
