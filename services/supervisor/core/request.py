"""`args` of a `start-core` (contract rest.md 3.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Mapping[str, Any]]
"""By service key or instance, then by field. Null, which means "as it is", is left out."""


class BadRequestError(ValueError):
    """The request makes no sense as a whole; nothing was changed."""


@dataclass(frozen=True, slots=True)
class CoreWish:
    """One core service. `keys` of the debrid services in their order, "" for none."""

    name: str
    instance: str = ""
    debrid: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)
    options: Options = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CoreRequest:
    """All of it."""

    cores: tuple[CoreWish, ...] = ()
    optionals: tuple[str, ...] = ()
    optional_options: Options = field(default_factory=dict, repr=False)


def parse_request(args: Mapping[str, Any]) -> CoreRequest:
    """Raises `BadRequestError`: it is not of the form that the API sends."""
    cores, optionals = args.get("core_services"), args.get("optional_services") or []
    cores = [cores] if isinstance(cores, Mapping) else cores
    if not isinstance(cores, list) or not all(isinstance(core, Mapping) for core in cores):
        raise BadRequestError("'core_services' must be an object, or a list of objects.")
    if not isinstance(optionals, list) or not all(isinstance(name, str) for name in optionals):
        raise BadRequestError("'optional_services' must be a list of names.")
    return CoreRequest(
        cores=tuple(map(_wish, cores)),
        optionals=tuple(dict.fromkeys(optionals)),
        optional_options=_options(args.get("optional_service_options")),
    )


def _wish(tree: Mapping[str, Any]) -> CoreWish:
    name, instance = tree.get("name"), tree.get("instance_name") or ""
    if not isinstance(name, str) or not isinstance(instance, str):
        raise BadRequestError("A core service has a 'name', and perhaps an 'instance_name'.")
    return CoreWish(
        name=name,
        instance=instance,
        debrid=tuple(text for text in _texts(tree.get("debrid_service")) if text),
        keys=_without_blank_end(_texts(tree.get("debrid_key"))),
        options=_options(tree.get("service_options")),
    )


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(item is None or isinstance(item, str) for item in items):
        raise BadRequestError("'debrid_service' and 'debrid_key' are text, or lists of text.")
    return [(item or "").strip() for item in items]


def _without_blank_end(texts: list[str]) -> tuple[str, ...]:
    while texts and not texts[-1]:
        texts = texts[:-1]
    return tuple(texts)


def _options(value: Any) -> Options:
    given = {} if value is None else value
    if not isinstance(given, Mapping):
        raise BadRequestError("Options are objects of fields, by service.")
    if not all(fields is None or isinstance(fields, Mapping) for fields in given.values()):
        raise BadRequestError("Options are objects of fields, by service.")
    return {
        name: {field: value for field, value in (fields or {}).items() if value is not None}
        for name, fields in given.items()
    }
