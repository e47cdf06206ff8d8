-- Extend a lease while its holder works, and take the waiters whose deadline has passed.
-- KEYS: 1 lease, 2 waiters
-- ARGV: 1 token, 2 lease term (ms), 3 now (ms)
-- Returns {1 if still held, else 0; earliest deadline left (ms) or '0'; list of the waiters taken}
local held = 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  held = 1
end
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {held, first[2] or '0', expired}
