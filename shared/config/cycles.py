"""Strongly connected components, depths and cycles of a graph. Linear, without recursion.

A graph is a mapping from every node to the nodes that it points to.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

Graph = Mapping[str, tuple[str, ...]]

_SHOWN: Final = 12
"""Names of a cycle that are printed."""


def components(graph: Graph) -> dict[str, int]:
    """The number of each node's component; two on a common cycle have the same (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    found: dict[str, int] = {}
    stack: list[str] = []
    for root in graph:
        if root in index:
            continue
        walk: list[tuple[str, Iterator[str]]] = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while walk:
            node, rest = walk[-1]
            for target in rest:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    walk.append((target, iter(graph[target])))
                    break
                if target not in found:
                    low[node] = min(low[node], index[target])
            else:
                walk.pop()
                if walk:
                    parent = walk[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    _close(node, stack, found)
    return found


def _close(root: str, stack: list[str], found: dict[str, int]) -> None:
    number = len(found)
    while True:
        node = stack.pop()
        found[node] = number
        if node == root:
            return


def levels(graph: Graph) -> dict[str, int]:
    """The longest way from each node to one that points nowhere; in the order of the graph.

    Raises:
        ValueError: there is a cycle.
    """
    users: dict[str, list[str]] = {node: [] for node in graph}
    left = {node: len(targets) for node, targets in graph.items()}
    for node, targets in graph.items():
        for target in targets:
            users[target].append(node)
    found = dict.fromkeys(graph, 0)
    free = deque(node for node, count in left.items() if not count)
    done = 0
    while free:
        node = free.popleft()
        done += 1
        for user in users[node]:
            found[user] = max(found[user], found[node] + 1)
            left[user] -= 1
            if not left[user]:
                free.append(user)
    if done < len(graph):
        raise ValueError("the graph has a cycle")
    return found


def cycle_text(graph: Graph, first: str, second: str) -> str:
    """The shortest cycle over the edge from `first` to `second`, as `A → B → A`.

    The edge must lie on one.
    """
    before = {second: first}
    waiting = deque([second])
    while first not in before:
        node = waiting.popleft()
        for target in graph[node]:
            if target not in before:
                before[target] = node
                waiting.append(target)
    names = [first]
    while (node := before[names[-1]]) != first:
        names.append(node)
    names = [first, *reversed(names[1:]), first]
    if len(names) > _SHOWN:
        names = [*names[: _SHOWN - 2], f"({len(names) - _SHOWN} more)", *names[-2:]]
    return " → ".join(names)
