-- Mark members of a leaderboard as changed, if it exists or is being rebuilt: its next reader reads them from the source.
-- A board with too many changed members is dropped; so is a rebuild, and its result is not installed.
-- KEYS: 1 board, 2 state (read_board.lua)
-- ARGV: 1 largest number of changed members, then the members
-- Returns 1 if they are marked, else 0
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
local position = redis.call('HINCRBY', KEYS[2], 'position', 1)
local marks = {}
for index = 2, #ARGV do
  marks[#marks + 1] = 'changed:' .. ARGV[index]
  marks[#marks + 1] = position
end
redis.call('HSET', KEYS[2], unpack(marks))
if redis.call('HLEN', KEYS[2]) > 3 + tonumber(ARGV[1]) then
  redis.call('UNLINK', KEYS[1], KEYS[2])
  return 0
end
return 1
