-- Append messages to a topic's history, each once, then drop entries beyond the size limit or the age limit.
-- The id of an entry in the stream is `<offset>-<time of the append (ms)>`: lookups use the offset, trimming the time.
-- KEYS: 1 topic (hash), 2 history (stream), 3 lease, then one name per message that remembers its append
-- ARGV: 1 epoch to start if the topic has none, 2 number of entries to keep, 3 how long to keep them (ms),
--       4 how long to keep the topic (ms), 5 1 to skip a message whose etag equals the latest message's, else 0,
--       6 token that must hold the lease, empty if none is needed,
--       then per message: id, data, etag, how long to remember it (ms)
-- Returns {''} if the lease is lost, else {epoch, then per message: its offset as a string, 1 if appended now, else 0}
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
  -- An append that was remembered in another epoch is lost with that epoch.
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
  -- Each call drops more entries than it adds: an expired history shrinks fast, and no call takes long.
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
