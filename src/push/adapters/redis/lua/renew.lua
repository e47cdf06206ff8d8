-- Renew a lease while its holder works, and read the waiters whose deadline has passed.
-- Those waiters stay parked until they are settled, as after a fill.
-- KEYS: 1 lease, 2 waiters
-- ARGV: 1 token, 2 lease term (ms), 3 now (ms)
-- Returns {1 if still held, else 0; earliest deadline in the future (ms) or '0'; list of expired waiters}
local held = 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  held = 1
end
local first = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {held, first[2] or '0', redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])}
