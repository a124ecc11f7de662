"""The ASGI application: what is made, what it is wired to, and in which order requests pass."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from services.api.app_files import AppFileCommands
from services.api.auth.access import Access
from services.api.auth.admission import Admission
from services.api.auth.doors import Doors
from services.api.auth.errors import install_auth_errors
from services.api.auth.service import Auth, AuthOptions
from services.api.bridge import Bridge
from services.api.charts.answers import Charts
from services.api.commands import CommandService
from services.api.config_changes import ConfigChanges
from services.api.configuration import ConfigReader
from services.api.errors import LastResort, install_errors
from services.api.guards import Guard
from services.api.head import HeadIsGet
from services.api.headers import SecurityHeaders
from services.api.job_ends import JobEnds
from services.api.jobs import JobDesk
from services.api.leaving import LastAnswers, Leaving
from services.api.limits import BodyLimit, Budget
from services.api.methods import AnswerOptions
from services.api.openapi.document import complete_document, operation_id
from services.api.paths import PathNormalizer
from services.api.routes import (
    actions,
    auth,
    auth_tokens,
    auth_users,
    commands,
    config,
    config_schema,
    config_versions,
    core,
    docs,
    environment,
    fleet,
    health,
    history,
    jobs,
    log_level,
    logs,
    metrics,
    metrics_history,
    offers,
    process,
    process_list,
    prometheus,
    seerr_sync,
    service_config,
    service_ui,
    static,
    updates,
)
from services.api.secret_reads import SecretReads
from services.api.situation import SituationReader
from services.api.ws.router import open_rooms, ws_routes
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.version import VERSION

_log = logging.getLogger(__name__)

RESTART_BRIDGE_S = 1.0


def create_app(
    redis_url: str,
    keys: Keys,
    *,
    auth_options: AuthOptions | None = None,
    hsts: bool = False,
) -> FastAPI:
    """One replica. Nothing is connected before it is served, and Redis may be away then.

    Args:
        hsts: answers over TLS forbid browsers everything else for this host name.
    """
    app = FastAPI(
        title=docs.TITLE,
        version=VERSION,
        description="Starts, stops and watches the services of a media stack.",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        lifespan=_lifespan,
        dependencies=[Depends(Access())],
    )
    redis = commands_client(redis_url, "dumb-api")
    bridge = Bridge(redis_url, keys, redis)
    reader = ConfigReader(redis, keys, lambda: bridge.counters.resyncs)
    state = app.state
    state.redis, state.keys, state.bridge, state.config = redis, keys, bridge, reader
    state.situation = SituationReader(redis, keys, reader)
    state.commands = CommandService(redis, keys, bridge, reader)
    state.config_changes = ConfigChanges(state.commands)
    state.secret_reads = SecretReads(redis, keys)
    state.auth = Auth(redis, keys, bridge, auth_options or AuthOptions())
    state.admission = Admission(state.auth, reader)
    state.app_files = AppFileCommands(redis, keys, state.commands)
    state.jobs = JobDesk(redis_url, keys)
    state.job_ends = JobEnds(bridge, state.jobs)
    state.leaving = Leaving()
    state.budget = Budget()
    state.charts = Charts(redis, keys)
    open_rooms(state)
    install_errors(app)
    install_auth_errors(app)
    accounts = (auth, auth_users, auth_tokens)
    services = (process, process_list, fleet, actions, core, offers, commands, logs)
    settings = (config, config_schema, config_versions, service_config, service_ui)
    work = (updates, history, jobs, seerr_sync)
    measured = (metrics, metrics_history, prometheus)
    rest = (log_level, health, environment, docs, static)
    for part in (*accounts, *services, *settings, *work, *measured, *rest):
        app.include_router(part.router)
    app.include_router(ws_routes())
    complete_document(app)
    doors = state.doors = Doors(app.routes)
    # The last one added is the first that a request passes.
    app.add_middleware(AnswerOptions, doors=doors)
    app.add_middleware(BodyLimit, budget=state.budget)
    app.add_middleware(
        Guard,
        auth=state.auth,
        config=reader,
        admission=state.admission,
        doors=doors,
    )
    app.add_middleware(HeadIsGet)
    app.add_middleware(PathNormalizer)
    app.add_middleware(LastAnswers, leaving=state.leaving)
    app.add_middleware(LastResort)
    app.add_middleware(SecurityHeaders, hsts=hsts)  # outermost: errors have them too
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    gc.collect()
    gc.freeze()  # the application itself is no garbage: collecting it again costs milliseconds
    state.bridge_task = asyncio.create_task(_keep_running(state.bridge), name="bridge")
    try:
        yield
    finally:
        state.bridge_task.cancel()
        await asyncio.wait({state.bridge_task})
        state.auth.passwords.close()
        state.jobs.close()
        await state.redis.aclose(close_connection_pool=True)


async def _keep_running(bridge: Bridge) -> None:
    while True:
        try:
            await bridge.run()
        except Exception:  # noqa: BLE001 - must not die: no command would be answered
            _log.exception("The bridge failed and is started again")
        await asyncio.sleep(RESTART_BRIDGE_S)
