"""Reading and changing the configuration."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json
from services.api.asked import AskedDep
from services.api.auth.errors import ForbiddenError
from services.api.captured import with_log, with_logs
from services.api.config_bodies import ConfigUpdate, ConfigUpdated, Configuration, OnboardingDone
from services.api.config_changes import Changed, parse_if_match
from services.api.config_sources import sources_of
from services.api.configuration import Published, without_mail_secrets
from services.api.deps import ConfigChangesDep, ConfigDep
from services.api.masking import ShowDep
from services.api.schemas import Onboarding, Problem
from services.api.strictjson import StrictJsonRoute
from shared.config.pages import (
    Config,
    Pages,
    PagesError,
    PagesTooLargeError,
    cut,
    is_only_pages,
    shown,
)
from shared.config.trees import etag_of, same
from shared.models.account import Role
from shared.models.config_change import ConfigOp

router = APIRouter(prefix="/config", tags=["config"], route_class=StrictJsonRoute)

IfMatch = Annotated[
    list[str] | None,
    Header(description="`ETag` of what the change is made from; another state answers 412"),
]
CHANGE_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem, "description": "Not usable; nothing was changed"},
    404: {"model": Problem, "description": "No such service or version"},
    409: {"model": Problem, "description": "It contradicts what is so now"},
    412: {"model": Problem, "description": "Changed in the meantime"},
    413: {"model": Problem, "description": "Too large"},
    500: {"model": Problem, "description": "It could not be saved; nothing was changed"},
    503: {"model": Problem, "description": "Redis or the supervisor is away"},
    504: {"model": Problem, "description": "No outcome yet"},
}


@router.get(
    "",
    response_model=Configuration,
    responses={404: {"model": Problem}, 503: {"model": Problem}},
)
async def get_config(
    config: ConfigDep,
    show: ShowDep,
    process_name: str | None = None,
    sources: Annotated[
        bool, Query(description="Say where values come from that are not in the file")
    ] = False,
) -> Response:
    """The effective configuration, or the block of one service by its exact name.

    `ETag`: the version of the document, or the hash of the block. `dumb.ui` is outside of both.
    A service that names no `log_file` is shown with that of the log that is captured.
    """
    published = await config.read()
    path: tuple[str, ...] = ()
    if process_name:
        service = published.by_name.get(process_name)
        if service is None:
            raise HTTPException(404, "Service not found")
        path, tree = service.path, show(service.block)
        tag = etag_of(tree)
        tree = with_log(tree, service, published)
    else:
        whole = without_mail_secrets(published.effective)
        tree = shown(Config(with_logs(show(whole), published)), published.pages)
        tag = published.version
    headers = {"x-config-version": published.version, "etag": f'"{tag}"'}
    if sources:
        return Json({"config": tree, **sources_of(published, path)}, headers=headers)
    return Json(tree, headers=headers)


@router.post(
    "",
    response_model=ConfigUpdated,
    response_model_exclude_unset=True,
    responses=CHANGE_FAILURES,
)
async def update_config(  # noqa: PLR0917 - the framework passes them by name
    body: ConfigUpdate,
    request: Request,
    asked: AskedDep,
    config: ConfigDep,
    changes: ConfigChangesDep,
    if_match: IfMatch = None,
    apply: Annotated[
        str | None, Query(description="`restart`: restart what needs it, one after another")
    ] = None,
) -> Response:
    """Change one service's block (in memory, or with `persist` in the file), or the document.

    Per service each key is replaced as a whole. Without `process_name` objects are merged, and the
    file is always saved. `***` and values of the environment, sent back, mean "unchanged". A key
    that cannot be used changes nothing at all.
    """
    restart = (apply or body.apply) == "restart"
    if apply not in {None, "restart"} or body.apply not in {None, "restart"}:
        raise HTTPException(400, "apply is 'restart', or left out.")
    expected = parse_if_match(if_match)
    if body.process_name:
        made = await changes.make(
            ConfigOp.SERVICE,
            asked=_administrator(request, asked),
            process_name=body.process_name,
            updates=body.updates,
            persist=body.persist,
            if_match=expected,
        )
        name = str(body.updates.get("process_name") or body.process_name)
        answer: dict[str, Any] = {"status": "service config updated", "process_name": name}
        answer["persisted"] = body.persist
    else:
        answer = {"status": "global config updated", "keys": list(body.updates)}
        if is_only_pages(body.updates):
            published = await config.read()
            pages = _remembered(published, body.updates)
            if expected is None and same(pages.value, published.pages.value):
                return Json(answer | {"restart_required": []}, headers=_tags(published.version))
        else:
            _administrator(request, asked)
        made = await changes.make(ConfigOp.GLOBAL, asked, updates=body.updates, if_match=expected)
    answer["restart_required"] = made.restart_required
    if made.overridden:
        answer["overridden"] = made.overridden
    if restart and made.restart_required:
        services = (await config.read()).services
        answer["restarted"] = await changes.restart(made.restart_required, services, asked)
    return Json(answer, headers=_headers(made))


def _administrator(request: Request, asked: AskedDep) -> AskedDep:
    """The frontend saves `dumb.ui` for whoever looks; everything else is for administrators."""
    if request.state.principal.role is not Role.ADMIN:
        raise ForbiddenError("This needs the role admin; others may only save dumb.ui.")
    return asked


def _remembered(published: Published, updates: dict[str, Any]) -> Pages:
    """What pages will remember. Most page loads save what is saved already: the supervisor needs
    not be asked. It decides by the same rules, for those who do not come this way.

    Raises:
        HTTPException: 400 or 413.
    """
    try:
        return published.pages.merged(cut(updates)[1])
    except PagesTooLargeError as error:
        raise HTTPException(413, f"{error}.") from None
    except PagesError as error:
        raise HTTPException(400, f"{error}.") from None


def _headers(made: Changed) -> dict[str, str]:
    headers = _tags(made.version) if made.version else {}
    return headers | ({"etag": f'"{made.etag}"'} if made.etag else {})


def _tags(version: str) -> dict[str, str]:
    return {"x-config-version": version, "etag": f'"{version}"'}


# -- first run -----------------------------------------------------------------------------


@router.get("/onboarding-status", response_model=Onboarding, responses={503: {"model": Problem}})
async def get_onboarding_status(config: ConfigDep) -> Response:
    """Whether the first-run wizard is still due."""
    completed = (await config.read()).dumb.get("onboarding_completed")
    return Json({"needs_onboarding": not completed})


@router.post("/onboarding-completed", response_model=OnboardingDone, responses=CHANGE_FAILURES)
async def complete_onboarding(asked: AskedDep, changes: ConfigChangesDep) -> Response:
    """The first-run wizard is done."""
    await changes.make(ConfigOp.GLOBAL, asked, updates=_onboarding(completed=True))
    return Json({"status": "Onboarding completed"})


@router.post("/reset-onboarding", response_model=OnboardingDone, responses=CHANGE_FAILURES)
async def reset_onboarding(asked: AskedDep, changes: ConfigChangesDep) -> Response:
    """Show the first-run wizard again."""
    await changes.make(ConfigOp.GLOBAL, asked, updates=_onboarding(completed=False))
    return Json({"status": "Onboarding reset"})


def _onboarding(*, completed: bool) -> dict[str, Any]:
    return {"dumb": {"onboarding_completed": completed}}
