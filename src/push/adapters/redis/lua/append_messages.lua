-- Append messages to a topic's history, each once, and drop what is too much or too old.
-- An entry's id in the stream is `<offset>-<time it was appended (ms)>`: found by its offset, trimmed by its time.
-- KEYS: 1 topic, a hash, 2 history, a stream, 3 lease, then for each message the name under which it is remembered
-- ARGV: 1 epoch to begin if there is none, 2 how many entries to keep, 3 for how long (ms), 4 how long to keep the
--       topic (ms), 5 1 if a message with the latest one's etag is not to be appended, else 0,
--       6 token under which the lease must be held, empty if none is needed,
--       then for each message its id, data, etag and how long to remember it (ms)
-- Returns {''} if the lease is lost, else {epoch, then for each message its offset as a string and 1 if it was appended now, else 0}
if ARGV[6] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[6] then
  return {''}
end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'head', 0)
  redis.call('DEL', KEYS[2])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = tonumber(redis.call('HGET', KEYS[1], 'head'))
local latest_etag = redis.call('HGET', KEYS[1], 'etag')
local reply = {epoch}
local appended = 0
for number = 4, #KEYS do
  local first = 7 + (number - 4) * 4
  local etag = ARGV[first + 2]
  local remembered = redis.call('GET', KEYS[number])
  local offset = remembered and string.match(remembered, ':(%d+)$')
  local is_new = 0
  -- What is remembered of another epoch went with it.
  if not offset or remembered ~= epoch .. ':' .. offset then
    if ARGV[5] == '0' or etag == '' or etag ~= latest_etag then
      head = head + 1
      appended = appended + 1
      is_new = 1
      latest_etag = etag
      redis.call(
        'XADD', KEYS[2], string.format('%.0f-%.0f', head, now),
        'data', ARGV[first + 1], 'id', ARGV[first], 'etag', etag
      )
    end
    offset = string.format('%.0f', head)
    redis.call('SET', KEYS[number], epoch .. ':' .. offset, 'PX', ARGV[first + 3])
  end
  reply[#reply + 1] = offset
  reply[#reply + 1] = is_new
end
if appended > 0 then
  redis.call('HSET', KEYS[1], 'head', string.format('%.0f', head), 'etag', latest_etag)
  redis.call('XTRIM', KEYS[2], 'MAXLEN', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  -- More go than come, so a history that has grown old is soon cut down, and no call takes long.
  for _ = 1, appended + 1000 do
    local id = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][1]
    local old, at = string.match(id, '(%d+)-(%d+)')
    if now - at < tonumber(ARGV[3]) then
      break
    end
    redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', old + 1))
  end
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return reply
