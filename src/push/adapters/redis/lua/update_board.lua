-- Update scores of a leaderboard that exists or is being rebuilt.
-- A rebuild may have read a score before it changed: changes are recorded, and install_board.lua applies them on top.
-- KEYS: 1 board, 2 rebuild lock, 3 changes (hash of members to negated scores, '' for a removed member)
-- ARGV: 1 how long to keep the changes (ms), then for each: negated score ('' to remove the member), member
-- Returns 1 if the board exists, else 0
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
