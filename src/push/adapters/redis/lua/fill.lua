-- Install a result, if the filler still has the right to, and read who waits for it.
-- The waiters stay parked until they are settled, so that a death between here and there loses none of them.
-- If anybody ever subscribed to the key, who stands for the subscribers waits from then on too.
-- KEYS: 1 result, 2 lease, 3 waiters, 4 generation, 5 topic
-- ARGV: 1 token, 2 generation seen at the claim, 3 the result, 4 how long to keep it (ms), 5 lease term (ms),
--       6 the waiter that stands for subscribers, 7 its deadline (ms), 8 how long the set of waiters is kept (ms)
-- Returns {'filled' | 'lost_lease' | 'outdated' | 'superseded' | 'no_room', list of waiters}
--         a lost lease that somebody else holds leaves the waiters to that one: the list is empty
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
-- Bytes 8 to 15 of a stored result are its source version. Lua's numbers hold 53 bits, so it is compared by halves.
local stored = redis.call('GETRANGE', KEYS[1], 8, 15)
if #stored == 8 then
  local stored_high, stored_low = struct.unpack('>I4I4', stored)
  local high, low = struct.unpack('>I4I4', string.sub(ARGV[3], 9, 16))
  if stored_high > high or (stored_high == high and stored_low > low) then
    return {'superseded', waiters}
  end
end
-- Out of memory the result is not kept, but those who wait are answered all the same.
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
