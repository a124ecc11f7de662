"""Who keeps a port before a boot, and who has to move."""

import socket
from typing import Any

from services.supervisor.ports import Move, free, moves, updates_of
from shared.config.pages import config_of
from shared.config.services import walk_services

FOLLOWS = ["x", "--port", "{port}"]


def moved(tree: dict[str, Any], *holding: str, taken: tuple[int, ...] = ()) -> list[Move]:
    return moves(walk_services(config_of(tree)), frozenset(holding), lambda port: port not in taken)


def block(name: str, port: int, **more: Any) -> dict[str, Any]:
    return {"process_name": name, "enabled": True, "port": port, "command": FOLLOWS, **more}


def test_free_ports_stay() -> None:
    assert moved({"a": block("A", 80), "b": block("B", 81)}) == []


def test_a_taken_port_moves_to_the_next_free_one() -> None:
    found = moved({"a": block("A", 80)}, taken=(80, 81, 83))
    assert found == [Move("A", ("a", "port"), 80, 82, "is taken by another program")]


def test_of_two_services_the_later_one_moves() -> None:
    tree = {"a": block("A", 80), "b": block("B", 80), "c": block("C", 81)}
    assert [(m.process_name, m.new, m.why) for m in moved(tree)] == [
        ("B", 81, "belongs to 'A'"),
        ("C", 82, "belongs to 'B'"),
    ]
    assert [m.process_name for m in moved(tree, "B")] == ["A", "C"]


def test_who_holds_a_port_keeps_it_although_it_is_not_free() -> None:
    assert moved({"a": block("A", 80)}, "A", taken=(80,)) == []


def test_only_enabled_services_count() -> None:
    tree = {"a": block("A", 80, enabled=False), "b": block("B", 80)}
    assert moved(tree, taken=()) == []


def test_who_would_not_follow_stays() -> None:
    tree = {"a": block("A", 80, command=["x", "--port", "80"])}
    assert moved(tree, taken=(80,)) == []
    tree = {"a": block("A", 80, command=["x"], env={"PORT": "{port}"})}
    assert [m.new for m in moved(tree, taken=(80,))] == [81]


def test_each_field_moves_by_itself() -> None:
    both = {
        "frontend_port": 3000,
        "backend_port": 8080,
        "command": ["{frontend_port}", "{backend_port}"],
    }
    found = moved({"infinidysk": block("I", 1, **both)}, taken=(3000, 8080))
    assert [(m.path[-1], m.new) for m in found] == [("frontend_port", 3001), ("backend_port", 8081)]


def test_traefik_takes_two_in_a_row() -> None:
    tree = {"traefik": block("T", 80), "b": block("B", 83)}
    assert [(m.process_name, m.new) for m in moved(tree, taken=(81,))] == [("T", 82), ("B", 84)]
    tree = {"traefik": block("T", 80), "b": block("B", 81)}
    assert [(m.process_name, m.new) for m in moved(tree)] == [("B", 82)]


def test_no_free_port_is_no_move() -> None:
    assert moved({"a": block("A", 65535)}, taken=(65535,)) == []


def test_moves_are_one_change_of_the_configuration() -> None:
    tree = {"sonarr": {"instances": {"D": block("S", 80), "4K": block("S4", 80)}}}
    assert updates_of(moved(tree, taken=(80,))) == {
        "sonarr": {"instances": {"D": {"port": 81}, "4K": {"port": 82}}}
    }


def test_a_listening_socket_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not free(port)
    assert free(port)
