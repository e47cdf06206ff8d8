-- Raise a key's generation, so that fills claimed earlier are refused, and mark the key's result stale.
-- The lease stays: its holder's fill is refused, and the holder answers the waiters.
-- The generation follows the clock, so a generation that expired is never reused.
-- KEYS: 1 generation, 2 result
-- ARGV: 1 how long to keep the generation (ms)
-- Returns 1 if there was a result, else 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generation = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0') + 1)
redis.call('SET', KEYS[1], string.format('%.0f', generation), 'PX', ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
-- Byte 4 of a stored result is 1 if a change of its source made it stale.
redis.call('SETRANGE', KEYS[2], 4, '\1')
return 1
