-- Park a request on a key, and try for the lease.
-- KEYS: 1 result, 2 lease, 3 waiters, 4 rest
-- ARGV: 1 header of the result as the caller saw it, empty if it saw none,
--       2 length of that header (bytes),
--       3 waiter, empty to try for the lease without waiting,
--       4 the waiter's deadline (ms), 5 how long to keep the set of waiters (ms),
--       6 token to queue the lease under, 7 how long to hold it (ms),
--       8 1 to park only together with the lease, else 0, 9 deadline of waiters that are not requests (ms)
-- Returns {'changed', result}: the result was filled or marked stale since the caller looked; nothing was parked
--         {'leader'}: the caller has the lease and must send the job
--         {'follower'}: another caller has the lease, or the key rests and the caller can do without a refresh
--         {'first_follower'}: another caller has the lease, and this is the first request to wait for it
if redis.call('GETRANGE', KEYS[1], 0, ARGV[2] - 1) ~= ARGV[1] then
  return {'changed', redis.call('GET', KEYS[1]) or ''}
end
local held = redis.call('GET', KEYS[2])
-- An earlier try of the same caller took the lease, and its reply was lost.
local leads = held == ARGV[6]
if not held then
  -- A resting key is computed only for a request that has no result to use.
  leads = (ARGV[3] ~= '' and ARGV[8] == '0') or redis.call('EXISTS', KEYS[4]) == 0
end
if ARGV[3] ~= '' and (leads or ARGV[8] == '0') then
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
  if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
  end
end
if not leads then
  local is_first = ARGV[3] ~= '' and ARGV[8] == '0' and redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. ARGV[9]) == 1
  return {is_first and 'first_follower' or 'follower'}
end
if not held then
  redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7])
end
return {'leader'}
