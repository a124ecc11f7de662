"""From a request's path to what its route asks for, before the framework looks at the request."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from starlette.routing import Mount, Route, WebSocketRoute

from services.api.auth.roles import SOCKET, Door, door_of

PASSED: Final = "dumb.passed"
"""Where the scope keeps the `Found.key` of the route that a request was let through to."""

_ANY: Final = frozenset({"*"})


class Found:
    """A route: `key` is its method and its path as `roles.py` writes them."""

    __slots__ = ("door", "key")

    def __init__(self, method: str, path: str) -> None:
        self.key = (method, path)
        self.door: Door = door_of(method, path)


class Doors:
    """The routes of an application, matched in the order in which its router does."""

    def __init__(self, routes: Iterable[Any]) -> None:
        self._routes = list(_flat(routes))
        # Most paths have no parameters: looking them up costs nothing then.
        self._plain: dict[tuple[str, str], Found | None] = {}
        for methods, _, path in self._routes:
            for method in methods - _ANY:
                self._plain[method, path] = self._search(method, path)

    def find(self, method: str, path: str) -> Found | None:
        """The route for `method` (`SOCKET` for sockets) and the path of a request, if any."""
        known = self._plain.get((method, path))
        return known if known is not None else self._search(method, path)

    def _search(self, method: str, path: str) -> Found | None:
        for methods, pattern, template in self._routes:
            if (method in methods or methods == _ANY) and pattern.match(path):
                return Found(method, template)
        return None


def _flat(routes: Iterable[Any]) -> Iterator[tuple[frozenset[str], re.Pattern[str], str]]:
    """Methods, pattern and path of every route, however routers are nested."""
    for route in routes:
        inner = getattr(route, "original_router", None)  # FastAPI's included routers
        if inner is not None:
            yield from _flat(inner.routes)
        elif isinstance(route, WebSocketRoute):
            yield frozenset({SOCKET}), route.path_regex, route.path
        elif isinstance(route, Route):
            yield frozenset(route.methods or _ANY), route.path_regex, route.path
        elif isinstance(route, Mount):
            yield _ANY, route.path_regex, route.path
