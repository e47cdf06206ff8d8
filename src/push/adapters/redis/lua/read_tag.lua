-- Read the version of a tag as it is seen in a scope.
-- KEYS: 1 version in the scope, 2 version in all scopes
-- Returns {sum of the versions, '0' if the tag never changed; time since the newer one was raised (ms)}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, version_everywhere = tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0)
local age = math.max(0, now - math.max(version, version_everywhere))
return {string.format('%.0f', version + version_everywhere), string.format('%.0f', age)}
