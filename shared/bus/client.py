"""Redis connections with explicit settings, because the defaults of redis-py 8 break long reads."""

import redis as redis_sync
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry as SyncRetry

BUS_ERRORS = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a call raises while Redis is away. `BusyLoadingError` is a `ConnectionError`."""

READ_BLOCK_MS = 5000
"""How long a blocking stream read waits; its socket timeout is longer (a trap of redis-py 8)."""

__all__ = [
    "BUS_ERRORS",
    "READ_BLOCK_MS",
    "ResponseError",
    "blocking_client",
    "commands_client",
    "pubsub_client",
    "reader_client",
]


def _client(url: str, *, timeout: float | None, connections: int, name: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=5,
        socket_timeout=timeout,
        socket_connect_timeout=3,
        # A retried XADD whose reply was lost would be added twice: callers decide about retries.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=False,
        health_check_interval=10 if timeout is None else 0,
        client_name=name,
    )
    return Redis(connection_pool=pool)


def commands_client(url: str, name: str, connections: int = 16) -> Redis:
    """Short commands: an answer is due within 5 s. Never retries by itself."""
    return _client(url, timeout=5, connections=connections, name=name)


def reader_client(url: str, name: str) -> Redis:
    """One connection for `XREADGROUP BLOCK`; the socket outlasts the block."""
    return _client(url, timeout=READ_BLOCK_MS / 1000 + 5, connections=1, name=name)


def pubsub_client(url: str, name: str) -> Redis:
    """One connection for a subscription: reads wait for ever, a health check finds dead peers."""
    return _client(url, timeout=None, connections=1, name=name)


def blocking_client(url: str, name: str, connections: int = 4) -> redis_sync.Redis:
    """For programs and threads without an event loop; otherwise as `commands_client`."""
    pool = redis_sync.BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=5,
        socket_timeout=5,
        socket_connect_timeout=3,
        retry=SyncRetry(NoBackoff(), 0),
        protocol=2,
        decode_responses=False,
        client_name=name,
    )
    return redis_sync.Redis(connection_pool=pool)
