-- Take keys out of a tag's index, except those that were enlisted again since their scores were read.
-- KEYS: 1 index
-- ARGV: names of keys, each followed by the score that was read
-- Returns 1
for i = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return 1
