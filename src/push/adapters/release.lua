-- Give a lease back. If somebody still waits, the lease is queued again for the job that the caller sends next.
-- KEYS: 1 lease, 2 waiters
-- ARGV: 1 token, 2 token to queue under, 3 how long (ms)
-- Returns the number that still wait, or -1 if the lease was lost
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -1
end
local waiting = redis.call('ZCARD', KEYS[2])
if waiting == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return waiting
