-- Release a lease. If waiters are left, queue the lease again for the job that the caller sends next.
-- KEYS: 1 lease, 2 waiters
-- ARGV: 1 token, 2 token to queue under, 3 how long to hold it (ms)
-- Returns the number of waiters left, or -1 if the lease was lost
local held = redis.call('GET', KEYS[1])
local waiting = redis.call('ZCARD', KEYS[2])
-- An earlier try queued the lease, and its reply was lost.
if held == ARGV[2] then
  return waiting
end
if held ~= ARGV[1] then
  return -1
end
if waiting == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return waiting
