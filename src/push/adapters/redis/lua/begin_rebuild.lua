-- Take the right to rebuild a leaderboard, if nobody has it and the board is still absent. What changes from now on is noted for the installation.
-- KEYS: 1 the right to rebuild, 2 changes, 3 board
-- ARGV: 1 token, 2 how long the right lasts (ms)
-- Returns 1 if the right is the caller's, else 0
local held = redis.call('GET', KEYS[1])
if held then
  -- A first try whose reply was lost took the right already.
  return held == ARGV[1] and 1 or 0
end
-- Somebody may have put it in place since the caller looked.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
-- Of a rebuild that died: older than what is read now.
redis.call('DEL', KEYS[2])
return 1
