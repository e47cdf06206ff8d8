-- Bring scores of a leaderboard up to date, if it is there or is being rebuilt.
-- A rebuild may have read a score before it changed: what changes meanwhile is noted and put on top when it is installed.
-- KEYS: 1 board, 2 the right to rebuild, 3 changes: a hash of members to negated scores, '' of one taken off
-- ARGV: 1 how long changes are kept (ms), then negated score, '' to take the member off, and member, for each
-- Returns 1 if the board is there, else 0
local is_there = redis.call('EXISTS', KEYS[1]) == 1
local is_rebuilt = redis.call('EXISTS', KEYS[2]) == 1
for index = 2, #ARGV, 2 do
  local score, member = ARGV[index], ARGV[index + 1]
  if is_rebuilt then
    redis.call('HSET', KEYS[3], member, score)
  end
  if is_there and score == '' then
    redis.call('ZREM', KEYS[1], member)
  elseif is_there then
    redis.call('ZADD', KEYS[1], score, member)
  end
end
if is_rebuilt then
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
return is_there and 1 or 0
