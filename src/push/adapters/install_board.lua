-- Put a rebuilt leaderboard in place, if the right to rebuild it is still held, and give that right back.
-- KEYS: 1 draft (absent if there is nothing to install), 2 board, 3 the right to rebuild
-- ARGV: 1 token, 2 how long to keep the board (ms)
-- Returns 1 if the right was held, else 0
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('DEL', KEYS[3])
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
