-- Store the members that a topic's subscribers are told of now, and return the members that were stored before.
-- KEYS: 1 told
-- ARGV: 1 members to store, 2 how long to keep them (ms)
-- Returns the stored members, '' if there were none
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return before or ''
