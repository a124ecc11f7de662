"""Seerr sync: how it stands, what failed, and what it would do (docs/seerr-sync.md)."""

import logging
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json, RawJson
from services.api.deps import ConfigDep, KeysDep, RedisDep
from services.api.job_ends import JobEnds
from services.api.job_schemas import (
    ClearedFailures,
    ConnectionTest,
    ConnectionTested,
    FailedRequests,
    QueuedJob,
    SeerrPlan,
    SeerrStatus,
)
from services.api.jobs import JobsAwayError
from services.api.paths import spelling
from services.api.routes.jobs import JobsDep
from services.api.schemas import Problem
from services.api.seerr_sync import ConnectionTestError, SeerrReader, try_connection
from shared.jobs import JobStatus, Kind

_log = logging.getLogger(__name__)

router = APIRouter(prefix="/seerr-sync", tags=["seerr-sync"])

PLAN_S: Final = 25.0
"""A plan that takes longer is fetched from `/jobs/{job_id}`."""

AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Problem}}


async def _reader(redis: RedisDep, keys: KeysDep) -> SeerrReader:
    return SeerrReader(redis, keys)


async def _ends(request: Request) -> JobEnds:
    found: JobEnds = request.app.state.job_ends
    return found


ReaderDep = Annotated[SeerrReader, Depends(_reader)]
EndsDep = Annotated[JobEnds, Depends(_ends)]


@router.get(
    "/status", response_model=SeerrStatus, response_model_exclude_unset=True, responses=AWAY
)
async def get_seerr_status(reader: ReaderDep, config: ConfigDep) -> Response:
    """Disabled, initializing or active; then with the last and the next poll, in UTC."""
    return Json(await reader.status((await config.read()).effective))


@router.get("/failed", response_model=FailedRequests, responses=AWAY)
async def list_failed_requests(reader: ReaderDep) -> Response:
    """What could not be copied, and why."""
    return Json(await reader.failed())


@router.delete("/failed", response_model=ClearedFailures, responses=AWAY)
async def clear_failed_requests(
    reader: ReaderDep,
    jobs: JobsDep,
    fingerprint: Annotated[str | None, Query(description="of one title; absent: all")] = None,
) -> Response:
    """Forget failures, at every subordinate: the next cycle tries again."""
    cleared = await reader.clear(fingerprint)
    if cleared:
        try:
            await jobs.enqueue(Kind.SEERR_MIRROR)
        except (JobsAwayError, RedisError, OSError) as error:
            _log.info("the state file is written later: %s", error)
    what = f"failures of {fingerprint[:200]}" if fingerprint is not None else "all failures"
    message = f"Cleared {what}." if cleared else "There was nothing to clear."
    return Json({"message": message, "cleared": cleared})


@router.get("/state", response_model=dict[str, Any], responses=AWAY)
async def get_seerr_state(reader: ReaderDep) -> Response:
    """All that is known of copies, in the form of the original's file."""
    return RawJson(await reader.state())


@router.post("/test", response_model=ConnectionTested, responses={400: {"model": Problem}})
async def check_seerr_connection(body: ConnectionTest) -> Response:
    """Whether a Seerr answers and takes this key."""
    if not body.url.strip() or not body.api_key.strip():
        raise HTTPException(400, "url and api_key must not be empty.")
    try:
        return Json({"ok": True, "status": await try_connection(body.url, body.api_key.strip())})
    except ConnectionTestError as error:
        raise HTTPException(400, str(error)) from None


@router.post(
    "/run", status_code=202, response_model=QueuedJob, responses={**AWAY, 409: {"model": Problem}}
)
async def run_seerr_sync(request: Request, jobs: JobsDep, config: ConfigDep) -> Response:
    """Begin a cycle now. `Location` shows what became of it."""
    section = (await config.read()).effective.get("seerr_sync")
    if not isinstance(section, dict) or section.get("enabled") is not True:
        raise HTTPException(409, "Seerr sync is switched off: set seerr_sync.enabled first.")
    return _queued(request, await jobs.enqueue(Kind.SEERR_SYNC))


@router.get(
    "/plan",
    response_model=SeerrPlan,
    responses={**AWAY, 202: {"model": QueuedJob}, 409: {"model": Problem}, 502: {"model": Problem}},
)
async def plan_seerr_sync(request: Request, jobs: JobsDep, ends: EndsDep) -> Response:
    """What a cycle would do now, and where. Changes nothing; reads the primary."""
    job_id = await jobs.enqueue(Kind.SEERR_PLAN)
    if not await ends.wait(job_id, PLAN_S):
        return _queued(request, job_id)
    job = await jobs.one(job_id)
    result = job["result"]
    if job["status"] != JobStatus.FINISHED or not isinstance(result, dict):
        raise HTTPException(502, f"There is no plan: {job['error'] or job['status']}.")
    if problem := result.get("problem"):
        code = 409 if str(problem).startswith("the configuration") else 502
        raise HTTPException(code, f"There is no plan: {problem}.")
    return Json({"job_id": job_id, **result})


def _queued(request: Request, job_id: str) -> Response:
    where = f"{spelling(request.scope).prefix}/jobs/{job_id}"
    return Json({"id": job_id, "status": JobStatus.QUEUED}, 202, {"location": where})
