-- Take the rebuild lock of a leaderboard if it is free and the board is still absent.
-- From now on, changes are recorded for install_board.lua.
-- KEYS: 1 rebuild lock, 2 changes, 3 board
-- ARGV: 1 token, 2 how long the lock lasts (ms)
-- Returns 1 if the caller holds the lock, else 0
local held = redis.call('GET', KEYS[1])
if held then
  -- An earlier try of the same caller took the lock, and its reply was lost.
  return held == ARGV[1] and 1 or 0
end
-- Another worker may have installed the board since the caller looked.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
-- Changes left by a rebuild that died are older than the scores that the caller reads now.
redis.call('DEL', KEYS[2])
return 1
