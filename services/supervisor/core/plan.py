"""From a wish to one change of the configuration and a list of starts (contract lifecycle.md 8).

Every core service is planned on a copy, and whatever cannot be planned leaves no trace. Nothing
that is enabled or that somebody changed is ever removed (docs/decisions/0012).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.supervisor.config_state import ConfigState, Patches
from services.supervisor.core.draft import Draft
from services.supervisor.core.errors import PlanError
from services.supervisor.core.instances import (
    clean_name,
    find_instance,
    new_instance,
    untouched,
)
from services.supervisor.core.options import with_options
from services.supervisor.core.ports import Ports, reserved
from services.supervisor.core.providers import (
    check_debrid,
    debrid_key,
    helper_block,
    helper_name,
    serves,
    with_keys,
)
from services.supervisor.core.request import BadRequestError, CoreRequest, CoreWish, Options
from services.supervisor.ports import Free
from shared.config.dependency_facts import ARRS, MEDIA_SERVERS, SCOPED, core_dependencies
from shared.config.labels import CORE_LABELS, OPTIONAL_LABELS, key_of, label_of
from shared.config.pages import Config
from shared.config.services import Block, ServiceBlock, walk_services
from shared.config.template import Template
from shared.config.trees import Path

Templates = Mapping[str, Template]

ACCEPTED: Final = frozenset({*CORE_LABELS, "pulsarr"})
POSTGRES: Final = "postgres"
NEEDS_POSTGRES: Final = frozenset(
    {"zilean", "pgadmin", "mediastorm", "traefik_proxy_admin", "authelia"}
)
OWN_DATABASE: Final = frozenset({"mediastorm", "traefik_proxy_admin", "authelia"})
DATABASE_FIELDS: Final = ("postgres_database", "postgres_main_db", "postgres_log_db")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, as it was spelled, and the process names that it means."""

    asked: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A service that was asked for and cannot be planned."""

    service: str
    error: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One change of the configuration, and what to start once it is made."""

    file: Config
    patches: Patches
    cores: tuple[Wanted, ...]
    optionals: tuple[Wanted, ...]
    names: tuple[str, ...]
    """Everything to be started, what is only needed by others included."""
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    """What is changed, for people."""


def make_plan(
    request: CoreRequest,
    state: ConfigState,
    templates: Templates,
    running: frozenset[str],
    free: Free,
) -> Plan:
    """What a request comes to.

    Args:
        running: process names; what runs keeps its ports.
        free: asked only for ports that nothing in the configuration has.

    Raises:
        BadRequestError: an optional service is none.
    """
    optionals = [(asked, _optional_key(asked)) for asked in request.optionals]
    planner = _Planner(templates, Draft.of(state, running, Ports(reserved(state.services), free)))
    cores = [planner.attempt(wish) for wish in _media_servers_first(request.cores)]
    extra = [planner.optional(asked, key, request) for asked, key in optionals]
    planner.neutarr()
    draft = planner.draft
    return Plan(
        file=draft.file,
        patches=draft.patches,
        cores=tuple(wanted for wanted in cores if wanted),
        optionals=tuple(wanted for wanted in extra if wanted),
        names=tuple(draft.names),
        failures=tuple(planner.failures),
        notes=draft.notes,
    )


def _optional_key(asked: str) -> str:
    key = key_of(asked)
    if key not in OPTIONAL_LABELS:
        raise BadRequestError(f"'{asked[:200]}' is no optional service.")
    return key


def _media_servers_first(wishes: tuple[CoreWish, ...]) -> list[CoreWish]:
    return sorted(wishes, key=lambda wish: key_of(wish.name) not in MEDIA_SERVERS)


class _Planner:
    """The draft as it grows."""

    def __init__(self, templates: Templates, draft: Draft) -> None:
        self.draft = draft
        self.failures: list[Failure] = []
        self._templates = templates

    def attempt(self, wish: CoreWish) -> Wanted | None:
        """A core service with what it needs; None when it failed, and nothing is left of it."""
        before = self.draft.copy()
        try:
            return Wanted(wish.name, self._core(wish))
        except PlanError as error:
            self.draft = before
            self.failures.append(Failure(wish.name, str(error)))
            return None

    def optional(self, asked: str, key: str, request: CoreRequest) -> Wanted | None:
        """An optional service, likewise."""
        before = self.draft.copy()
        many = (*(wish.options for wish in request.cores), request.optional_options)
        try:
            if key in NEEDS_POSTGRES:
                own = (key,) if key in OWN_DATABASE else ()
                self._postgres(_merged(POSTGRES, *many), own)
            name = self._singleton(key, _merged(key, *many))
            self._databases((key,), many)
            return Wanted(asked, (name,))
        except PlanError as error:
            self.draft = before
            self.failures.append(Failure(asked, str(error)))
            return None

    def neutarr(self) -> None:
        """An Arr that wants NeutArr brings it along (contract lifecycle.md 8, step 5)."""
        users = (service for service in walk_services(self.draft.file) if service.enabled)
        wished = any(
            service.process_name in self.draft.names and service.block.get("use_neutarr") is True
            for service in users
            if service.config_key in ARRS
        )
        if wished:
            self.attempt(CoreWish("neutarr"))

    # -- core services ---------------------------------------------------------------------

    def _core(self, wish: CoreWish) -> tuple[str, ...]:
        key, instance = self._resolve(wish)
        template = self._templates[key]
        check_debrid(wish, template)
        if template.instance:
            names = self._instances(wish, template, instance)
        else:
            options = _merged(key, wish.options)
            names = (self._singleton(key, options, wish),)
        for service in walk_services(self.draft.file):
            if service.process_name in names:
                self._needed(wish, key, service)
        return names

    def _resolve(self, wish: CoreWish) -> tuple[str, str]:
        """The config key, and the instance if a process name was meant."""
        key = key_of(wish.name)
        if key in ACCEPTED:
            return key, ""
        found = self._named(wish.name)
        if found is not None and found.config_key in ACCEPTED:
            return found.config_key, found.instance
        if found is not None or key in self._templates:
            raise PlanError(f"'{wish.name[:200]}' is no core service.")
        raise PlanError(f"No core service is named '{wish.name[:200]}'.")

    def _named(self, name: str) -> ServiceBlock | None:
        services = walk_services(self.draft.file)
        return next((service for service in services if service.process_name == name), None)

    def _instances(self, wish: CoreWish, template: Template, instance: str) -> tuple[str, ...]:
        known = self.draft.instances(template.key)
        if instance or wish.instance:
            wished = instance or clean_name(wish.instance)
            name = find_instance(known, wished) or wished
            started = self._instance(wish, template, name)
            if not instance:
                self._drop_placeholder(template, name)
            return (started,)
        enabled = [name for name, block in known.items() if block.get("enabled") is True]
        names = enabled or list(known)[:1] or [template.instance]
        return tuple(self._instance(wish, template, name) for name in names)

    def _instance(self, wish: CoreWish, template: Template, name: str) -> str:
        known = self.draft.instances(template.key)
        block = known.get(name) or new_instance(template, name, known)
        options = _merged(template.key, wish.options) | dict(wish.options.get(name, {}))
        if wish.instance and wish.instance != name:
            options |= wish.options.get(wish.instance, {})
        block = with_options(block, options, template)
        path = (template.key, "instances", name)
        return self.draft.enable(path, block, added=name not in known)

    def _drop_placeholder(self, template: Template, name: str) -> None:
        """The template's first instance, if it never was anything but that."""
        block = self.draft.instances(template.key).get(template.instance)
        if block is None or name == template.instance or not untouched(block, template):
            return
        if block.get("process_name") not in self.draft.running:
            self.draft.put((template.key, "instances", template.instance), None)
            self.draft.note(f"the unused {label_of(template.key)} {template.instance} was removed")

    def _singleton(
        self, key: str, options: Mapping[str, object], wish: CoreWish | None = None
    ) -> str:
        template, known = self._templates[key], self.draft.at((key,))
        block = with_options(template.block if known is None else known, options, template)
        if wish is not None:
            block = with_keys(key, block, wish)
        if key in NEEDS_POSTGRES:
            block = self._with_database_port(block)
        return self.draft.enable((key,), block, added=known is None)

    # -- what they need --------------------------------------------------------------------

    def _needed(self, wish: CoreWish, key: str, service: ServiceBlock) -> None:
        needed = core_dependencies(key, service.block)
        for other in needed:
            if other in SCOPED:
                self._helper(wish, key, other, with_zurg="zurg" in needed)
            elif other != POSTGRES:
                self._singleton(other, _merged(other, wish.options))
        if POSTGRES in needed:
            self._postgres(_merged(POSTGRES, wish.options), ())
        self._databases(service.path, (wish.options,))

    def _databases(self, path: Path, many: tuple[Options, ...]) -> None:
        """A service that keeps its data in the managed PostgreSQL brings that along."""
        block = self.draft.at(path) or {}
        if block.get("postgres_enabled") is True:
            named = (block.get(field) for field in DATABASE_FIELDS)
            databases = tuple(name for name in named if isinstance(name, str) and name.strip())
            self._postgres(_merged(POSTGRES, *many), databases)

    def _helper(self, wish: CoreWish, core: str, key: str, *, with_zurg: bool) -> None:
        """A Zurg or an rclone of this core service's own (contract lifecycle.md 8, step 4b)."""
        template, known = self._templates[key], self.draft.instances(key)
        name = next((n for n, b in known.items() if serves(b, core)), helper_name(core))
        block = known.get(name) or helper_block(template, core, with_zurg=with_zurg)
        secret = debrid_key(wish)
        if secret and block.get("key_type") == "RealDebrid":
            block = {**block, "api_key": secret}
        options = _merged(key, wish.options) | dict(wish.options.get(name, {}))
        path = (key, "instances", name)
        block = with_options(block, options, template)
        self.draft.enable(path, block, added=name not in known)
        self._drop_placeholder(template, name)

    def _postgres(self, options: Mapping[str, object], databases: tuple[str, ...]) -> None:
        """The managed PostgreSQL, with entries for the databases that are used."""
        self._singleton(POSTGRES, options)
        block = self.draft.at((POSTGRES,)) or {}
        listed = block.get("databases")
        listed = listed if isinstance(listed, list) else []
        there = {entry.get("name") for entry in listed if isinstance(entry, dict)}
        added = [{"name": name, "enabled": True} for name in databases if name not in there]
        if added:
            self.draft.put((POSTGRES,), {**block, "databases": [*listed, *added]})

    def _with_database_port(self, block: Block) -> Block:
        """A wait for PostgreSQL asks the port that PostgreSQL has."""
        port = (self.draft.at((POSTGRES,)) or {}).get("port")
        waits = block.get("wait_for_tcp")
        if type(port) is not int or not isinstance(waits, list):
            return block
        ours = {"name": label_of(POSTGRES), "host": "127.0.0.1"}
        moved = [
            {**wait, "port": port} if isinstance(wait, dict) and {**wait, **ours} == wait else wait
            for wait in waits
        ]
        return {**block, "wait_for_tcp": moved}


def _merged(key: str, *many: Options) -> dict[str, object]:
    """The fields for a service, whether its key or its label was used; later ones win."""
    return {
        field: value
        for options in many
        for name, fields in options.items()
        if key_of(name) == key
        for field, value in fields.items()
    }
