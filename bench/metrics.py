"""What measuring costs, what a quarter of history takes, and how quickly charts are drawn."""

import asyncio
import os
import random
import subprocess
import time
from contextlib import ExitStack
from typing import Any, Final

import orjson
import psutil
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from bench.report import figure, times, topic
from bench.stack import Stack, running
from services.metrics.history.encoding import Encoder
from services.metrics.history.store import Store
from services.metrics.processes import Running
from services.metrics.sampler import Plan, Sampler
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.metrics.tiers import TIERS
from tests.support.collector import CollectorProcess

SERVICES: Final = 50
CHILDREN: Final = 3
SAMPLES: Final = 100
CLIENTS: Final = 200
ROUNDS: Final = 50
QUERIES: Final = 100
HOUR_S: Final = 3600
SCRIPT: Final = "sleep 100000 & " * CHILDREN + "wait"
KEYS: Final = Keys()


def main() -> None:
    """Measure and print."""
    with ExitStack() as stack:
        services = [_service(stack, number) for number in range(SERVICES)]
        time.sleep(1)  # until all shells have started their children
        snapshot = _sample(services)
    with running({}) as control:
        asyncio.run(_with_history(control, snapshot))


def _service(stack: ExitStack, number: int) -> Running:
    process = subprocess.Popen(["/bin/sh", "-c", SCRIPT], start_new_session=True)
    stack.callback(process.wait)
    stack.callback(os.killpg, process.pid, 9)
    return Running(f"Service {number}", process.pid, float(number))


def _sample(services: list[Running]) -> dict[str, Any]:
    sampler, plan = Sampler(), Plan(running=services)
    sampler.sample(plan)
    wall, cpu = [], []
    for _ in range(SAMPLES):
        began, spent = time.perf_counter(), time.process_time()
        snapshot = sampler.sample(plan)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - spent) * 1000)
        time.sleep(0.05)
    size = len(orjson.dumps(snapshot))
    topic(f"One sample of {SERVICES} services with {SERVICES * (CHILDREN + 1)} processes")
    figure("on the host", f"{len(psutil.pids())} processes, {size / 1024:.0f} KiB of JSON")
    times("CPU", cpu, p50=25)
    times("wall", wall)
    return snapshot


async def _with_history(control: Stack, snapshot: dict[str, Any]) -> None:
    redis = commands_client(control.redis.unix_url, "bench")
    try:
        await _fill(redis, snapshot)
        await _bytes(redis)
        _queries(control)
        await _sockets(control, redis, orjson.dumps(snapshot))
        await asyncio.to_thread(_collector, control)
    finally:
        await redis.aclose(close_connection_pool=True)


def _later(snapshot: dict[str, Any], at: float) -> dict[str, Any]:
    """The same host at another time: what changes there has changed."""
    system = snapshot["system"] | {"cpu_percent": round(random.uniform(0, 100), 1)}
    system["net_io"] = {key: int(at) + n for n, key in enumerate(system["net_io"])}

    def moved(entry: dict[str, Any]) -> dict[str, Any]:
        if random.random() < 0.5:
            return entry
        return entry | {
            "cpu_percent": round(random.uniform(0, 20), 1),
            "rss": entry.get("rss", 0) + random.randrange(1 << 20),
        }

    changed = {key: [moved(e) for e in snapshot[key]] for key in ("dumb_managed", "external")}
    return snapshot | changed | {"timestamp": at, "system": system}


async def _fill(redis: Redis, snapshot: dict[str, Any]) -> None:
    """A day: each sample of six hours, of the rest the minutes that would be left of them."""
    now = time.time()
    store, encoder = Store(redis, KEYS), Encoder()
    moments = [now - HOUR_S * 24 + 60 * n for n in range(18 * 60)]
    moments += [now - HOUR_S * 6 + 5 * n for n in range(6 * 720)]
    encoding = []
    for begin in range(0, len(moments), 200):
        rows = []
        for at in moments[begin : begin + 200]:
            later = _later(snapshot, at)
            began = time.perf_counter()
            rows.append(encoder.encode(int(at * 1000), later))
            encoding.append((time.perf_counter() - began) * 1000)
        for dictionary in {row.dictionary for row in rows}:
            await store.save_dictionary(dictionary)
        await store.append(TIERS[0], rows)
    await store.roll_up(now)
    await store.expire(now, 90)
    topic("History")
    times("making one row of it", encoding)


async def _bytes(redis: Redis) -> None:
    total = 0.0
    for tier in TIERS:
        rows = int(await redis.xlen(KEYS.metrics_history(tier.name))) or 1
        sizes = [
            int(await redis.memory_usage(key(tier.name)) or 0)
            for key in (KEYS.metrics_history, KEYS.metrics_snapshots)
        ]
        each = sum(sizes) / rows
        day = min(tier.keep_s, 86_400) / (tier.step_s or 5) * each
        total += day
        figure(f"tier {tier.name}", f"{each:.0f} bytes a row, {day / 1e6:.2f} MB after a day")
    figure("memory of Redis after the first day", f"{total / 1e6:.1f} MB")


def _queries(control: Stack) -> None:
    connection = control.connection()
    for hours in (6, 24):
        took: list[float] = []
        size = 0
        for _ in range(QUERIES):
            since = time.time() - hours * HOUR_S
            began = time.perf_counter()
            connection.request("GET", f"/metrics/history_series?since={since}&max_points=600")
            size = len(connection.getresponse().read())
            took.append((time.perf_counter() - began) * 1000)
        name = f"chart of {hours} h, 600 points, {size / 1e6:.1f} MB"
        times(name, took, p50=50 if hours == 24 else 0)
    connection.close()


async def _sockets(control: Stack, redis: Redis, snapshot: bytes) -> None:
    url = control.url("/ws/metrics?interval=0.5")
    clients = await asyncio.gather(
        *(connect(url, compression=None, max_size=None) for _ in range(CLIENTS))
    )
    api = psutil.Process(control.api_pid)
    last: list[float] = []

    async def arrival(client: ClientConnection) -> float:
        await client.recv()
        return time.perf_counter()

    before = sum(api.cpu_times()[:2])
    for _ in range(ROUNDS):
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        await redis.publish(KEYS.metrics, snapshot)
        last.append((max(await asyncio.gather(*map(arrival, clients))) - began) * 1000)
    spent = (sum(api.cpu_times()[:2]) - before) / ROUNDS * 1000
    topic(f"/ws/metrics with {CLIENTS} clients")
    times("until the last one has a snapshot", last)
    figure("CPU of the API for each snapshot", f"{spent:.1f} ms")
    await asyncio.gather(*(client.close() for client in clients))


def _collector(control: Stack) -> None:
    collector = CollectorProcess(control.home, control.redis.unix_url)
    try:
        collector.start()
        process = psutil.Process(collector.pid)
        time.sleep(10)  # what is measured is idleness
        before, seconds = sum(process.cpu_times()[:2]), 20.0
        time.sleep(seconds)
        cpu = (sum(process.cpu_times()[:2]) - before) / seconds * 100
        topic("The collector without listeners")
        figure("memory", f"{process.memory_info().rss / 1e6:.1f} MB")
        figure("CPU", f"{cpu:.2f} %")
    finally:
        collector.close()


if __name__ == "__main__":
    main()
