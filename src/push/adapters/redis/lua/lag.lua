-- Record that a connection lags from a position on, replacing its entry if there is one.
-- KEYS: 1 lagging
-- ARGV: 1 connection, 2 mark, 3 position, 4 how long to keep lagging connections (ms)
-- Returns 1
local time = redis.call('TIME')
local noted = string.format('%s %.0f %s', ARGV[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], noted)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
