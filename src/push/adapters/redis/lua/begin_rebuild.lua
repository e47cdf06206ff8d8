-- Take the rebuild lock of a leaderboard if it is free, and the board is absent or older than the caller accepts.
-- From now on, changed members are marked: the caller reads the source after this, so older changes do not matter.
-- KEYS: 1 rebuild lock, 2 state (read_board.lua), 3 board
-- ARGV: 1 token, 2 how long the lock lasts (ms), 3 how long the board may live, from now on (ms),
--       4 lowest version that the caller accepts
-- Returns 1 if the caller holds the lock, else 0
local held = redis.call('GET', KEYS[1])
if held then
  -- An earlier try of the same caller took the lock, and its reply was lost.
  return held == ARGV[1] and 1 or 0
end
-- Another worker may have installed the board since the caller looked.
local version = redis.call('HGET', KEYS[2], 'version')
if version and tonumber(version) >= tonumber(ARGV[4]) and redis.call('EXISTS', KEYS[3]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('UNLINK', KEYS[2], KEYS[3])
-- The version is the time. It is also at least what the caller has seen, which is older than the rebuild: clocks of
-- different machines need not agree.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
version = string.format('%.0f', math.max(now, tonumber(ARGV[4])))
redis.call('HSET', KEYS[2], 'version', version, 'position', 0, 'refresh', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
