-- Park a request on a key, and try for the lease.
-- KEYS: 1 result, 2 lease, 3 waiters, 4 rest
-- ARGV: 1 header of the result as the caller saw it, empty if it saw none
--       2 bytes of that header
--       3 the waiter, empty to try for the lease without waiting
--       4 the waiter's deadline (ms), 5 how long the set of waiters is kept (ms)
--       6 token to queue the lease under, 7 how long (ms)
--       8 1 to park only with the lease, else 0, 9 deadline of who waits but is no request (ms)
-- Returns {'changed', result}: somebody filled or marked it since the caller looked; nothing was parked
--         {'leader'}: the lease is the caller's, who must send the job
--         {'follower'}: somebody else has it, or the key rests and the caller can do without
--         {'first_follower'}: somebody else has it, and no request has waited for his work till now
if redis.call('GETRANGE', KEYS[1], 0, ARGV[2] - 1) ~= ARGV[1] then
  return {'changed', redis.call('GET', KEYS[1]) or ''}
end
local held = redis.call('GET', KEYS[2])
-- A first try whose reply was lost took the lease already.
local leads = held == ARGV[6]
if not held then
  -- A key that rests is computed only for those who can't do without.
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
