"""Debrid accounts, and the Zurg and rclone that a core service gets for itself."""

from typing import Any, Final

from services.supervisor.core.errors import PlanError
from services.supervisor.core.request import CoreWish
from shared.config.dependency_facts import core_services
from shared.config.labels import label_of
from shared.config.services import Block
from shared.config.template import Template

REAL_DEBRID: Final = "realdebrid"
_DIRECTORY: Final = "/zurg/RD"
"""Where the template's Zurg lives; everybody's own one lives below."""


def check_debrid(wish: CoreWish, template: Template) -> None:
    """Raises `PlanError`: accounts that the service cannot use, or keys without an account."""
    if len(wish.keys) > len(wish.debrid):
        raise PlanError("debrid_key names more keys than debrid_service names services.")
    known = {_spelled(provider) for provider in template.debrid_providers}
    for provider in wish.debrid:
        if known and _spelled(provider) not in known:
            raise PlanError(f"{label_of(template.key)} takes no debrid service '{provider[:100]}'.")


def debrid_key(wish: CoreWish) -> str:
    """The key of the Real-Debrid account, "" when none was given."""
    pairs = zip(wish.debrid, wish.keys, strict=False)
    return next((key for provider, key in pairs if _spelled(provider) == REAL_DEBRID), "")


def with_keys(config_key: str, block: Block, wish: CoreWish) -> Block:
    """Decypharr holds its keys itself; the others leave them to their Zurg."""
    if config_key != "decypharr":
        return block
    kept = block.get("api_keys")
    pairs = zip(wish.debrid, wish.keys, strict=False)
    given = {provider.lower(): key for provider, key in pairs if key}
    return {**block, "api_keys": {**(kept if isinstance(kept, dict) else {}), **given}}


def serves(block: Block, core: str) -> bool:
    """Whether an instance belongs to a core service already."""
    return core in core_services(block)


def helper_name(core: str) -> str:
    """The instance of a core service's own Zurg or rclone."""
    return label_of(core)


def helper_block(template: Template, core: str, *, with_zurg: bool) -> Block:
    """Such an instance, new."""
    label = label_of(core)
    block: Block = {key: _moved(value, label) for key, value in template.block.items()}
    block["core_service"] = core
    block["process_name"] = f"{template.key.capitalize()} w/ {label}"
    if template.key != "rclone":
        return block
    lower = label.lower().replace(" ", "_")
    return block | {
        "mount_name": lower,
        "log_file": f"/log/rclone_w_{lower}.log",
        "zurg_enabled": with_zurg,
        "decypharr_enabled": core == "decypharr",
        "key_type": "infinidysk" if core == "infinidysk" else block["key_type"],
    }


def _moved(value: Any, label: str) -> Any:
    if isinstance(value, str) and (value + "/").startswith(_DIRECTORY + "/"):
        return f"{_DIRECTORY}/{label}{value[len(_DIRECTORY) :]}"
    if isinstance(value, list):
        return [_moved(item, label) for item in value]
    return value


def _spelled(provider: str) -> str:
    return provider.lower().replace(" ", "").replace("-", "").replace("_", "")
