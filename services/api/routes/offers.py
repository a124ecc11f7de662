"""What the first-run wizard chooses from."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.api.answers import Json
from services.api.offer_schemas import CoreServices, OptionalServices
from services.api.offered import core_services, optional_services
from shared.config.template import templates

router = APIRouter(prefix="/process", tags=["process"])


@router.get("/core-services", response_model=CoreServices)
async def list_core_services() -> Response:
    """The services that a stack is built around, with the fields that a wizard asks for."""
    return Json({"core_services": core_services(templates())})


@router.get("/optional-services", response_model=OptionalServices)
async def list_optional_services(
    core_service: Annotated[str, Query(description="Leave out what it brings along")] = "",
    picked: Annotated[
        list[str] | None, Query(alias="optional_services", description="Chosen already")
    ] = None,
    picked_too: Annotated[
        list[str] | None,
        # The same, as some browsers spell it. Not in the document: beside the other one, generated
        # clients would have two parameters of one name.
        Query(alias="optional_services[]", include_in_schema=False),
    ] = None,
) -> Response:
    """The services that go well with them."""
    chosen = [*(picked or ()), *(picked_too or ())]
    return Json({"optional_services": optional_services(templates(), core_service, chosen)})
