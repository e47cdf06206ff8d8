-- Install a rebuilt leaderboard if the caller still holds the rebuild lock, and release the lock.
-- Scores that changed during the rebuild are applied on top: the rebuild may have read them before they changed.
-- KEYS: 1 draft (absent if there is nothing to install), 2 board, 3 rebuild lock,
--       4 changes (hash of members to negated scores, '' for a removed member)
-- ARGV: 1 token, 2 how long to keep the board (ms)
-- Returns 1 if the caller held the lock, else 0
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 0
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  local changes = redis.call('HGETALL', KEYS[4])
  for index = 1, #changes, 2 do
    local member, score = changes[index], changes[index + 1]
    if score == '' then
      redis.call('ZREM', KEYS[2], member)
    else
      redis.call('ZADD', KEYS[2], score, member)
    end
  end
end
redis.call('DEL', KEYS[3], KEYS[4])
return 1
