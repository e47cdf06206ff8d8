-- Store a result if the worker still has the right to, and read the key's waiters.
-- The waiters stay parked until they are settled, so a worker that dies before that loses none of them.
-- If a client ever subscribed to the key, the waiter that stands for all subscribers is parked too.
-- KEYS: 1 result, 2 lease, 3 waiters, 4 generation, 5 topic
-- ARGV: 1 token, 2 generation seen at the claim, 3 result, 4 how long to keep it (ms), 5 lease term (ms),
--       6 waiter that stands for the subscribers, 7 its deadline (ms), 8 how long to keep the set of waiters (ms)
-- Returns {'filled' | 'lost_lease' | 'outdated' | 'superseded' | 'no_room', list of waiters}
--         if another worker holds the lease, it answers the waiters, and the list is empty
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] then
  return {'lost_lease', {}}
end
local waiters = redis.call('ZRANGE', KEYS[3], 0, -1)
if not held then
  return {'lost_lease', waiters}
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if (redis.call('GET', KEYS[4]) or '0') ~= ARGV[2] then
  return {'outdated', waiters}
end
-- Bytes 8 to 15 of a stored result are its source version. Lua numbers hold 53 bits, so compare it in halves.
local stored = redis.call('GETRANGE', KEYS[1], 8, 15)
if #stored == 8 then
  local stored_high, stored_low = struct.unpack('>I4I4', stored)
  local high, low = struct.unpack('>I4I4', string.sub(ARGV[3], 9, 16))
  if stored_high > high or (stored_high == high and stored_low > low) then
    return {'superseded', waiters}
  end
end
-- If Redis is out of memory, the result is not stored, but the waiters are still answered.
local stored_now = redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
if stored_now.err then
  return {'no_room', waiters}
end
if redis.call('EXISTS', KEYS[5]) == 1 then
  redis.call('ZADD', KEYS[3], 'NX', ARGV[7], ARGV[6])
  if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[8]) then
    redis.call('PEXPIRE', KEYS[3], ARGV[8])
  end
  waiters = redis.call('ZRANGE', KEYS[3], 0, -1)
end
return {'filled', waiters}
