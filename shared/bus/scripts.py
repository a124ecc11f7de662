"""Every Lua script. Each is one atomic step of the protocol and says why it must be atomic.

A key that a script only reads comes in ARGV: as one of KEYS it would need the permission to write
(Redis 7 cannot know what a script does), and deploy/redis/users.acl.in gives that to its writer.
"""

from typing import Final

# A receipt and its stream entry appear together or not at all, once per id, and only while a
# supervisor is there to execute it (docs/protocol.md, "Waiting for a receipt"). A heartbeat is
# missing as well while Redis takes no changes: a change without effect then says so.
# KEYS: receipt, stream.
# ARGV: heartbeat key, service set key, ttl, process_name (or ""), n, n field/value pairs of the
# receipt, then those of the entry.
# Returns: 1 queued, 0 the id exists already, -1 no heartbeat, -2 unknown service.
SUBMIT: Final = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'hash' then return 0 end
if redis.call('EXISTS', ARGV[1]) == 0 then
  if kind == 'none' then redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'probe', '') end
  return -1
end
if ARGV[4] ~= '' and redis.call('SISMEMBER', ARGV[2], ARGV[4]) == 0 then return -2 end
if kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local n = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], unpack(ARGV, 6, 5 + 2 * n))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 6 + 2 * n))
return 1
"""

# Whether the caller may write the supervisor's facts now (docs/protocol.md, "One supervisor"). It
# stands in front of every script that does, so that the check and the effect are one step: a
# supervisor that was frozen between the two would write over its successor's facts.
# The claim is the last of KEYS, the value that must stand there the last of ARGV.
NO_CLAIM: Final = "NOCLAIM"
_FENCE: Final = """
if redis.pcall('GET', table.remove(KEYS)) ~= table.remove(ARGV) then
  return redis.error_reply('NOCLAIM the claim of this supervisor does not stand in Redis')
end
"""

# Commands as one step, under the fence: each with the number of its words before it. It ends at
# the first one that fails, with that error as it is.
# ARGV: n, n words, n, n words …
# Returns: what the last one returned.
FENCED: Final = (
    _FENCE
    + """
local at, last = 1, false
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  last = redis.pcall(unpack(ARGV, at + 1, at + n))
  if type(last) == 'table' and last.err then return last end
  at = at + n + 1
end
return last
"""
)

# Take the claim, or keep it. Look and change are one step, or two could take it at once. A key of
# another type is put aside. What has no end, or one later than a holder gives it, gets that end:
# it would outlive every holder.
# A supervisor of the first version has no claim, only a heartbeat (without a field `claim`): the
# claim is not taken while that stands, unless the caller has found that it does not advance.
# KEYS: claim. ARGV: value, milliseconds, a value that may be replaced or "", heartbeat key, a
# `heartbeat_at` that is known to be over or "".
# Returns: {"kept"} or {"taken"}, with the heartbeat of such a one behind "kept"; {"held", value,
# milliseconds left}; {"old", heartbeat_at, node, pid, boot_id}.
CLAIM_TAKE: Final = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then
  local aside = KEYS[1] .. ':aside:' .. redis.call('TIME')[1]
  redis.call('RENAME', KEYS[1], aside)
  redis.call('EXPIRE', aside, 604800)
  held = false
end
local beat = redis.pcall('HMGET', ARGV[4], 'heartbeat_at', 'node', 'pid', 'boot_id', 'claim')
local old = not beat.err and beat[1] and not beat[5]
local answer = {'kept'}
if old then
  for i = 1, 4 do answer[i + 1] = beat[i] or '' end
end
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return answer
end
if held and held ~= ARGV[3] then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
  end
  return {'held', held, left}
end
if not held and old and beat[1] ~= ARGV[5] then
  answer[1] = 'old'
  return answer
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'taken'}
"""

# The fields of a hash as one JSON object of strings: packing 44 arguments costs the client more
# than everything else about the call.
_WRITE_HASH: Final = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local fields = {}
for name, value in pairs(cjson.decode(ARGV[4])) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', KEYS[1], unpack(fields))
"""

# The hash and its event leave together, so that nobody reads one without the other.
# KEYS: service hash, service set, claim. ARGV: channel, event, process_name, fields (JSON), value
# of the claim.
STATUS: Final = (
    _FENCE
    + _WRITE_HASH
    + """
redis.call('SADD', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
"""
)

# A receipt that becomes final is counted, once, however often it is sent.
_COUNT: Final = """
if ARGV[5] then
  local known = redis.call('TYPE', KEYS[1]).ok == 'hash'
  local before = known and redis.call('HGET', KEYS[1], 'status')
  if not before or before == 'queued' or before == 'running' then
    redis.pcall('HINCRBY', KEYS[2], ARGV[5] .. '|count', 1)
    redis.pcall('HINCRBYFLOAT', KEYS[2], ARGV[5] .. '|sum', ARGV[6])
    for i = 7, #ARGV do redis.pcall('HINCRBY', KEYS[2], ARGV[5] .. '|' .. ARGV[i], 1) end
  end
end
"""

# A receipt and its announcement, whatever stood under the key before.
# KEYS: receipt, counts, claim. ARGV: ttl, channel, announcement, fields (JSON), of a final one its
# labels, its seconds and its buckets (shared/models/command_counts.py), and the claim's value.
_RECEIPT: Final = (
    _COUNT
    + _WRITE_HASH
    + """
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""
)
RECEIPT: Final = _FENCE + _RECEIPT

# The same for an outcome read back from the journal, which knows less than the receipt that may
# have arrived before: a final one is left alone.
RECALL: Final = (
    _FENCE
    + """
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  local status = redis.call('HGET', KEYS[1], 'status')
  if status and status ~= 'queued' and status ~= 'running' then return 0 end
end
"""
    + _RECEIPT
)

# A chunk, its retention, its meta data and its announcement. Sent again after a lost reply it
# finds its own id and does nothing.
# KEYS: stream, meta, claim. ARGV: id, chunk, min id, generation, size, channel, header, lines of
# the chunk, lines that were lost since the supervisor's start, and the claim's value.
# The header says whose log it is and who may see it: readers of the stream need it too.
# Returns: 1 added, 0 was there already.
LOG_APPEND: Final = (
    _FENCE
    + """
local added = redis.pcall('XADD', KEYS[1], ARGV[1], 'chunk', ARGV[2])
if type(added) == 'table' and added.err then
  if string.find(added.err, 'equal or smaller', 1, true) then return 0 end
  return added
end
redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[3])
redis.call('HSET', KEYS[2], 'generation', ARGV[4], 'size', ARGV[5])
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2], 'header', ARGV[7]) end
if ARGV[8] then
  redis.call('HINCRBY', KEYS[2], 'lines', ARGV[8])
  redis.call('HSET', KEYS[2], 'lost', ARGV[9])
end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7] .. '\\n' .. ARGV[2]) end
return 1
"""
)

# Everything that a decision about one request needs, at one moment (docs/protocol.md,
# "Accounts"): never a user of one epoch with the settings of another.
# ARGV: username or "", hash of an API token or "", keys of settings, users, tokens, secret, and of
# a session or "".
# Returns: settings, number of users, of tokens, secret, account, token, session fields.
AUTH_LOOK: Final = """
local account, token, name = false, false, ARGV[1]
local session = {false, false, false}
if ARGV[2] ~= '' then
  token = redis.call('HGET', ARGV[5], ARGV[2])
  if token then name = cjson.decode(token).owner end
end
if name ~= '' then account = redis.call('HGET', ARGV[4], name) end
if ARGV[7] ~= '' then
  session = redis.call('HMGET', ARGV[7], 'username', 'tokens_epoch', 'revoked')
end
return {
  redis.call('HGETALL', ARGV[3]),
  redis.call('HLEN', ARGV[4]),
  redis.call('HLEN', ARGV[5]),
  redis.call('GET', ARGV[6]),
  account,
  token,
  session,
}
"""

# One use of a refresh token. Two replicas may be asked at once, so look and change are one step.
# The token used last may be presented again for some seconds (two tabs at once) and gives the
# same successor; any other token of the chain that comes back was stolen, or its thief was here
# first: the whole family ends.
# KEYS: session. ARGV: presented jti, next jti, its iat, its exp, ttl of the session in seconds,
# grace in seconds, username and tokens epoch ("" unless the original issued the token: then the
# first use begins the family), channel.
# Returns: {"rotated"}, {"again", jti, iat, exp}, {"reused"} or {"unknown"}.
SESSION_ROTATE: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local s = redis.call('HMGET', KEYS[1], 'current', 'previous', 'rotated_at', 'revoked',
                     'current_iat', 'current_exp', 'username')
if s[7] and s[4] then return {'reused'} end
if s[7] and s[1] ~= ARGV[1] then
  if s[2] == ARGV[1] and now - tonumber(s[3]) <= tonumber(ARGV[6]) then
    return {'again', s[1], s[5], s[6]}
  end
  redis.call('HSET', KEYS[1], 'revoked', 'reuse')
  redis.call('PUBLISH', ARGV[9], '{}')
  return {'reused'}
end
if not s[7] then
  if ARGV[7] == '' then return {'unknown'} end
  redis.call('HSET', KEYS[1], 'username', ARGV[7], 'tokens_epoch', ARGV[8],
             'created_at', string.format('%.3f', now))
end
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1], 'current_iat', ARGV[3],
           'current_exp', ARGV[4], 'rotated_at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {'rotated'}
"""

# A change of a job: its event, and the level that a subscriber reads who missed it.
# KEYS: hash of open jobs. ARGV: channel, id, event, "1" while the job is not over.
JOB_NEWS: Final = """
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[2])
end
redis.call('PUBLISH', ARGV[1], ARGV[3])
return 1
"""

# The heartbeat of a jobs program, and the lease that makes one of them the scheduler. The clock
# is that of Redis: programs on several machines need not agree on theirs.
# KEYS: programs, lease. ARGV: program, what is known of it (JSON), lease in milliseconds.
# Returns: the time in milliseconds, and whether this program schedules.
JOBS_BEAT: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local info = cjson.decode(ARGV[2])
info.heartbeat_at = now / 1000
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(info))
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {now, 0} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return {now, 1}
"""

# A lease is renewed or given back by its holder alone.
# KEYS: lease. ARGV: holder, milliseconds; 0 gives it back. Returns 1 while it is the holder's.
LEASE_KEEP: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
"""
