-- Turn a queued lease, or a free one, into a working lease: the right to compute a key now.
-- Waiters that came with the job are parked again, in case Redis lost them or never had them.
-- KEYS: 1 result, 2 lease, 3 waiters, 4 generation, 5 watch
-- ARGV: 1 token that the job was queued under, 2 token to work under, 3 lease term (ms),
--       4 how long to keep the set of waiters (ms), then deadline (ms) and waiter for each waiter of the job
-- Returns {'busy', 1 if a guardian will check the key soon, else 0}
--         {'claimed', generation, result or '', number of waiters, earliest deadline (ms) or '0'}
if #ARGV > 4 then
  redis.call('ZADD', KEYS[3], 'NX', unpack(ARGV, 5))
  if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
  end
end
local held = redis.call('GET', KEYS[2])
-- ARGV[2] holds the lease if an earlier try claimed the key and its reply was lost.
if held and held ~= ARGV[1] and held ~= ARGV[2] then
  return {'busy', redis.call('EXISTS', KEYS[5])}
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
return {
  'claimed',
  redis.call('GET', KEYS[4]) or '0',
  redis.call('GET', KEYS[1]) or '',
  redis.call('ZCARD', KEYS[3]),
  first[2] or '0',
}
