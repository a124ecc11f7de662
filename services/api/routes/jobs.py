"""Background jobs: what runs, what will, and how to stop or repeat it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json
from services.api.job_schemas import Job, JobDetails, Jobs
from services.api.jobs import JobDesk
from services.api.schemas import Problem
from shared.jobs import JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])

GONE: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 503: {"model": Problem}}


async def _desk(request: Request) -> JobDesk:
    found: JobDesk = request.app.state.jobs
    return found


JobsDep = Annotated[JobDesk, Depends(_desk)]


@router.get("", response_model=Jobs, responses={503: {"model": Problem}})
async def list_jobs(
    jobs: JobsDep,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Programs and their workers, what runs by itself and when next, and the youngest jobs."""
    return Json(await jobs.overview(limit, status))


@router.get("/{job_id}", response_model=JobDetails, responses=GONE)
async def get_job(job_id: str, jobs: JobsDep) -> Response:
    """One job with its progress, and its result or error."""
    return Json(await jobs.one(job_id))


@router.post("/{job_id}/cancel", response_model=Job, responses={**GONE, 409: {"model": Problem}})
async def cancel_job(job_id: str, jobs: JobsDep) -> Response:
    """Take it out of its queue. One that runs is stopped in a moment: 202."""
    shown = await jobs.cancel(job_id)
    return Json(shown, 202 if shown["status"] == JobStatus.RUNNING else 200)


@router.post("/{job_id}/retry", response_model=Job, responses={**GONE, 409: {"model": Problem}})
async def retry_job(job_id: str, jobs: JobsDep) -> Response:
    """Queue a failed or cancelled one again, with all of its attempts."""
    return Json(await jobs.retry(job_id))
