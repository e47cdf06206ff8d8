-- Undo a parking whose job could not be sent.
-- KEYS: 1 lease, 2 waiters
-- ARGV: 1 token that the lease was queued under, 2 waiter, empty if there is none
-- Returns 1
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
if ARGV[2] ~= '' then
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return 1
