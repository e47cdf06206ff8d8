-- Renew the lease of a topic's shard, or give it back.
-- KEYS: 1 lease
-- ARGV: 1 token, 2 lease term (ms), 0 to give it back
-- Returns 1 if no other worker holds the lease, else 0
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
