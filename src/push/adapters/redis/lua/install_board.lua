-- Install a rebuilt leaderboard if the caller still holds the rebuild lock, and release the lock.
-- Members that changed during the rebuild stay marked: it may have read them before they changed.
-- KEYS: 1 draft (absent if there is nothing to install), 2 board, 3 rebuild lock, 4 state (read_board.lua)
-- ARGV: 1 token
-- Returns the board's version as a string if it is installed, else '0'
local version, refresh = unpack(redis.call('HMGET', KEYS[4], 'version', 'refresh'))
local is_ours = version and refresh == ARGV[1]
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  redis.call('UNLINK', KEYS[1])
  -- An earlier try of the same caller installed the board, and its reply was lost.
  return is_ours and redis.call('EXISTS', KEYS[2]) == 1 and version or '0'
end
redis.call('DEL', KEYS[3])
if is_ours and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[4]))
  return version
end
redis.call('UNLINK', KEYS[1], KEYS[4])
return '0'
