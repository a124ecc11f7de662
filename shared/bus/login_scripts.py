"""Lua scripts that count guesses of passwords, each one step in Redis.

The numbers come from the API as JSON (`services/api/auth/limits.py`), the rules are in
docs/authentication.md.
"""

from typing import Final

# One attempt, counted before the password is checked: attempts that run side by side cannot all
# slip under the limit. Only what may be checked is written, so the limits bound the memory.
# KEYS: attempts (sorted set), known addresses (sorted set), known devices of the account (sorted
# set), attempts of the place (sorted set), the mark by which earlier versions knew an address.
# ARGV: id of the attempt, "1" to count it, place, device ("": none), id of the ticket ("": none),
# limits.
# Attempts are `<class>:<who>:<id>` by their time. Classes: p, without any right; a, from a known
# address; d, of a known device; t, with a ticket; u, a ticket whose password was right. Devices
# are `d:<device>`, and `n:<device>` while they have not come back yet.
# Returns: the attempt ("": refused), seconds until a ticket counts, whether the device is known.
LOGIN_ATTEMPT: Final = """
local id, count, place, device, ticket = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4], ARGV[5]
local l = cjson.decode(ARGV[6])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - l.hour)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - l.window)
local of = {p = 0, a = 0, d = 0, t = 0, u = 0}
local here, near, own, served, last, spent = 0, 0, 0, 0, 0, false
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local class, who, what = string.match(entries[i], '^(%a):([^:]*):(.*)$')
  local at = tonumber(entries[i + 1])
  of[class] = of[class] + 1
  if class == 'p' and who == place and at > now - l.window then here = here + 1 end
  if class == 'a' and who == place then near = near + 1 end
  if class == 'd' and who == device then own = own + 1 end
  if class == 't' then
    last = math.max(last, at)
    if who == place then served = served + 1 end
  end
  if (class == 't' or class == 'u') and what == ticket then spent = true end
end
local left = redis.call('TTL', KEYS[5])
if left > 0 then
  redis.call('ZADD', KEYS[2], 'NX', now - l.address_life + left, place)
  redis.call('EXPIRE', KEYS[2], l.address_life)
end
local function since(key, who) return tonumber(redis.call('ZSCORE', key, who) or 0) end
local seen = math.max(since(KEYS[3], 'd:' .. device), since(KEYS[3], 'n:' .. device))
local device_known = device ~= '' and now - seen < l.device_life
local class, who, wait = '', place, 0
if device_known and own < l.known and of.d < l.known_all then
  class, who = 'd', device
elseif near < l.known and of.a < l.known_all and now - since(KEYS[2], place) < l.address_life then
  class = 'a'
elseif of.p < l.pool and here < l.pair and redis.call('ZCARD', KEYS[4]) < l.place then
  class = 'p'
else
  if last > 0 then wait = math.max(0, last + l.slot + l.step * math.min(served, l.steps) - now) end
  if ticket ~= '' and not spent and wait == 0 then class, id = 't', ticket end
end
if class == '' then return {'', math.max(1, math.ceil(wait)), device_known and 1 or 0} end
local attempt = class .. ':' .. who .. ':' .. id
if count then
  redis.call('ZADD', KEYS[1], string.format('%.6f', now), attempt)
  redis.call('EXPIRE', KEYS[1], l.hour + 1)
  if class == 'p' then
    redis.call('ZADD', KEYS[4], string.format('%.6f', now), id)
    redis.call('EXPIRE', KEYS[4], l.window + 1)
  end
end
return {attempt, 0, device_known and 1 or 0}
"""

# A right password: the attempt no longer counts, and the client is known from now on. A ticket
# stays spent. The latest known addresses stay, and the latest devices of each class.
# KEYS: attempts, known addresses, known devices, attempts of the place. ARGV: the attempt ("":
# none was counted), place, device ("": none), "1" for a device that is new, limits.
LOGIN_SUCCEEDED: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local device, l = ARGV[3], cjson.decode(ARGV[5])
local class, rest, id = string.match(ARGV[1], '^(%a):([^:]*:(.*))$')
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if class == 'p' then redis.call('ZREM', KEYS[4], id) end
if class == 't' and at then redis.call('ZADD', KEYS[1], at, 'u:' .. rest) end
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -l.addresses - 1)
redis.call('EXPIRE', KEYS[2], l.address_life)
if device == '' then return 1 end
if ARGV[4] == '1' then
  redis.call('ZADD', KEYS[3], now, 'n:' .. device)
else
  redis.call('ZREM', KEYS[3], 'n:' .. device)
  redis.call('ZADD', KEYS[3], now, 'd:' .. device)
end
local room = {d = l.devices, n = l.devices}
for _, name in ipairs(redis.call('ZREVRANGE', KEYS[3], 0, -1)) do
  local kind = string.sub(name, 1, 1)
  room[kind] = room[kind] - 1
  if room[kind] < 0 then redis.call('ZREM', KEYS[3], name) end
end
redis.call('EXPIRE', KEYS[3], l.device_life)
return 1
"""

# A login goes on: what was known of its client is known for longer, and nothing becomes known.
# KEYS: known addresses, known devices. ARGV: place, device ("": none), limits.
LOGIN_GOES_ON: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local l = cjson.decode(ARGV[3])
local since = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if now - since < l.address_life then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('EXPIRE', KEYS[1], l.address_life)
end
if ARGV[2] == '' then return 1 end
if redis.call('ZREM', KEYS[2], 'n:' .. ARGV[2]) == 1 then
  redis.call('ZADD', KEYS[2], now, 'd:' .. ARGV[2])
else
  redis.call('ZADD', KEYS[2], 'XX', now, 'd:' .. ARGV[2])
end
redis.call('EXPIRE', KEYS[2], l.device_life)
return 1
"""
