"""Ordinary log lines, without a secret: the formats and the words that invite a mistake."""

import random

COUNT = 2000

WORDS = {
    "svc": ["Sonarr", "Radarr", "Plex", "Riven", "Zilean", "rclone", "Jellyfin", "Bazarr"],
    "user": ["bob", "alice", "root", "postgres", "media"],
    "film": ["Compass", "The Author", "Bypass", "Tokens of Love", "Session 9", "Secret Garden",
             "The Pass", "Keys to the Kingdom", "Cookie Monster", "The Claim", "Password"],
    "word": ["author", "authority", "compass", "bypass", "passthrough", "passenger", "keyboard",
             "tokenizer", "secretary", "cookies", "sessions", "reclaimed", "credits", "monkey"],
    "path": ["/data/library", "/config/app.db", "/mnt/remote/movies", "/var/log/x.log"],
    "state": ["started", "closed", "opened", "expired", "ok", "failed", "resumed"],
    "method": ["basic", "forms", "none", "external", "digest", "ldap"],
    "level": ["INFO", "DEBUG", "WARN", "ERROR"],
    "low": ["info", "debug", "warning", "error"],
    "flag": ["true", "false"],
}  # fmt: skip

TEMPLATES = """
2026-11-03 22:20:{s:02}.{n:03}|Info|RssSyncService|RSS sync completed. Reports found: {n}, grabbed: {k}
2026-11-03 22:20:{s:02}.{n:03}|Debug|Parser|Parsing string '{film}.2026.1080p.WEB-DL.x264-GROUP'
2026-11-03 22:20:{s:02}.{n:03}|Info|AuthenticationHandler|AuthenticationMethod: {method}, session_timeout: {n}
2026-11-03 22:20:{s:02}.{n:03}|Trace|DiskScan|Scanning {path}/{film} ({n} files)
Nov 03, 2026 22:20:{s:02}.{n:03} [{n}] DEBUG - Completed: [192.168.1.{k}:51422] 200 GET /library/metadata/{n}/children ({k} live) GZIP {k}ms {n} bytes
Nov 03, 2026 22:20:{s:02}.{n:03} [{n}] DEBUG - Session: {state} for {user}, {k} sessions are active
Nov 03, 2026 22:20:{s:02}.{n:03} [{n}] INFO - Library section {k} (Movies) will be updated because of a change in {path}
[22:20:{s:02}] [INF] [{k}] Emby.Server.Implementations.Session.SessionManager: Session {state}: {user}
[22:20:{s:02}] [WRN] [{k}] Slow HTTP Response from http://jellyfin:8096/Items/{n} to 172.18.0.{k} in 0:00:00.{n}
[22:20:{s:02}] [INF] [{k}] MediaBrowser.Providers: {film}: author credits updated, tokens={n}
2026/11/03 22:20:{s:02} INFO  : {film}.mkv: vfs cache: cleaned: objects {k} (was {n}) in use {k}, to upload 0
2026/11/03 22:20:{s:02} INFO  : Transferred: {n} MiB / {n} MiB, {k}%, {k} MiB/s, ETA {s}s, bypass={flag}
2026-11-03T22:20:{s:02}.{n:03}Z [info]: {svc} scan {state}, {n} items, author={user}
2026-11-03T22:20:{s:02}.{n:03}Z\t{level}\tserver\tsession closed\t{{"session_timeout": {n}, "auth_method": "{method}", "n": {k}}}
time="2026-11-03T22:20:{s:02}Z" level={low} msg="password policy {state}" min_length={k} max_age={n}d
time=2026-11-03T22:20:{s:02}.{n:03}Z level={level} msg="token bucket refilled" tokens={n} burst={k}
time=2026-11-03T22:20:{s:02}.{n:03}Z level={level} msg="prompt evaluated" prompt_tokens={n} max_tokens=512 total_tokens={n}
{{"level":"{low}","time":17306724{s:02}{n:03},"pid":{n},"msg":"{word} {state}","sessions":{k},"auth":"{method}","enabled":{flag}}}
{{"level":30,"time":17306724{s:02}{n:03},"session":{{"id":{n},"cookie":{{"maxAge":{n},"secure":{flag}}}}},"msg":"request completed"}}
{{"password_policy":{{"min_length":{k},"max_age":{n}}},"token_ttl":{n},"api_key_configured":{flag},"cookie_domain":"nas.local"}}
{{"has_password":{flag},"passwordless":{flag},"token_type":"bearer","use_auth":{flag},"keys":{n}}}
192.168.1.{k} - {user} [03/Nov/2026:22:20:{s:02} +0000] "GET /author/{n}?page={k}&sort_key=name HTTP/1.1" 200 {n} "-" "Mozilla/5.0 (X11; Linux x86_64)"
192.168.1.{k} - - [03/Nov/2026:22:20:{s:02} +0000] "GET /static/keyboard-{n}.js?v={n} HTTP/1.1" 304 0 "http://nas/sessions" "curl/8.5.0"
192.168.1.{k} - - [03/Nov/2026:22:20:{s:02} +0000] "POST /auth/login HTTP/1.1" 401 {n} "-" "python-requests/2.32"
2026-11-03 22:20:{s:02}.{n:03} UTC [{n}] LOG:  checkpoint complete: wrote {n} buffers (0.{k}%); 0 WAL file(s) added
2026-11-03 22:20:{s:02}.{n:03} UTC [{n}] FATAL:  password authentication failed for user "{user}"
2026-11-03 22:20:{s:02}.{n:03} UTC [{n}] LOG:  disconnection: session time: 0:00:{s:02}.{n:03} user={user} database=riven host=127.0.0.1
2026-11-03 22:20:{s:02}.{n:03} UTC [{n}] ERROR:  duplicate key value violates unique constraint "{word}_pkey"
2026-11-03 22:20:{s:02}.{n:03} UTC [{n}] DETAIL:  Key (author_id)=({n}) already exists.
1:M 03 Nov 2026 22:20:{s:02}.{n:03} * {n} changes in {k} seconds. Saving...
Nov  3 22:20:{s:02} nas haproxy[{n}]: 192.168.1.{k}:51422 [03/Nov/2026:22:20:{s:02}.{n:03}] web~ api/api1 0/0/1/14/15 200 {n} - - ---- 2/2/0/0/0 0/0 "GET /process/processes HTTP/1.1"
Nov  3 22:20:{s:02} nas sshd[{n}]: pam_unix(sshd:session): session {state} for user {user}(uid={n}) by (uid=0)
Nov  3 22:20:{s:02} nas sshd[{n}]: Failed password for {user} from 192.168.1.{k} port {n} ssh2
Nov  3 22:20:{s:02} nas systemd[1]: Started Session {n} of User {user}.
22:20:{s:02} | ✨ PROGRAM   | main.run - {film}: {word} check passed, {k} of {n}
22:20:{s:02} | 🐞 DEBUG     | scraping - token expired for {svc}, trying again in {k}s
info: {svc}.Startup[0] Keyboard layout {word}, pass {k} of {n}
warn: Microsoft.AspNetCore.DataProtection[35] No XML encryptor configured. Key {{{n}}} may be persisted to storage in unencrypted form.
INFO [alembic.runtime.migration] Running upgrade {n} -> {k}, add author and {word}
INFO:     192.168.1.{k}:{n} - "GET /api/v1/sessions HTTP/1.1" 200 OK
[mov,mp4 @ 0x{n:x}] First pass: {n} frames, second pass: {k} frames, bypass {state}
frame={n} fps={k} q=28.0 size={n}kB time=00:00:{s:02}.{k:02} bitrate={n}.{k}kbits/s speed={k}x
npm warn deprecated {word}@{k}.{s}.{n}: no longer supported
at {word} (/app/node_modules/{word}/lib/index.js:{n}:{k})
SyntaxError: Unexpected token < in JSON at position {n}
error TS{n}: Property '{word}' does not exist on type 'AuthorSession'.
Traceback (most recent call last): File "/app/{word}.py", line {n}, in claim_{word}
KeyError: '{word}'
  "sort_key": "{word}",
  "session_timeout": {n},
  "authentication_required": "{state}",
  author: {user}
  bypass_paths: ["{path}", "/{word}"]
  "tokens_per_second": {k}.{s},
  password_min_length: {k}
  cookie_samesite: lax
  keys: {n}
auth: {method}
pass: {k}, fail: {s}, skipped: {n}
pass {k}/{n} of {film} {state}
Auth: {method} is {state} on {svc}
auth_mode={method} auth_timeout={k}s pass_through={flag} session_limit={n}
authorization_policy: two_factor, postgres_auth_mode: {method}
claim: {state}, claims: {n}, sessions={k}, cookies: {s}
credentials: {state} by {user}
Loaded {n} credentials, {k} cookies and {s} claims
PWD=/app HOME=/root SHLVL={k} LANG=C.UTF-8 AUTHOR={user}
SESSION_TIMEOUT={n} TOKEN_TTL={k} COOKIE_SECURE={flag} AUTH_METHOD={method} KEY_COUNT={s}
no token, no key: {user} is anonymous on {svc}
the password of {user} was changed, all sessions are closed
public key: {word}, key size: {n}, key usage: encryption
accepting key exchange, cipher suite {n}, key id 0x{n:x}
api key: missing
usage: login [--password-file FILE] [--no-auth] [--session-timeout {n}] <user>
--auth {method} --session-timeout {n} --cookie-secure --token-ttl {k}
Filter: key = {k}, index cond: (author_id = {n})
GET /api/v3/author/{n}?includeAllAuthorMetadata={flag} -> 200 in {k} ms
Signed in as {user}; token is valid for {n} minutes
{word}: {n} of {k} {state}
hotkey={word} passed={n} passes={k} compass={s} turnkey={flag}
{film} [{n}p] {word} {word} {state} {path}
""".strip("\n").split("\n")


def ordinary_lines(seed: int = 14) -> list[str]:
    """`COUNT` lines, the same for the same seed; every template has its share."""
    rng = random.Random(seed)
    lines = []
    for number in range(COUNT):
        values = {name: rng.choice(words) for name, words in WORDS.items()}
        template = TEMPLATES[number % len(TEMPLATES)].replace("\\t", "\t")
        line = template.format(
            **values, n=rng.randrange(100, 1000), k=rng.randrange(2, 60), s=rng.randrange(10, 60)
        )
        lines.append(line)
    rng.shuffle(lines)
    return lines
