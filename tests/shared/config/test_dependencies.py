"""Who needs whom: facts, `depends_on`, waits, orders, and what cannot be."""

import itertools
import random
from typing import Any

import pytest

from shared.config.dependencies import Condition, Dependencies, Source, dependencies
from shared.config.pages import config_of

Tree = dict[str, Any]


def _tree(**blocks: Any) -> Tree:
    """Enabled services by config key: a block, or `instances` by name; named by their key."""
    tree: Tree = {}
    for key, block in blocks.items():
        if "instances" in block:
            instances = {
                name: {"process_name": f"{key} {name}", "enabled": True, **one}
                for name, one in block["instances"].items()
            }
            tree[key] = {"instances": instances}
        else:
            tree[key] = {"process_name": key, "enabled": True, **block}
    return tree


def _needs(name: str, **blocks: Any) -> dict[str, tuple[str, ...]]:
    """What a service needs, with the reasons."""
    return {need.on: need.signals for need in dependencies(config_of(_tree(**blocks))).needs[name]}


def _chain(*names: str, **more: Any) -> Dependencies:
    """Each one needs the one before it."""
    tree = _tree(**{name: {} for name in names})
    for before, name in itertools.pairwise(names):
        tree[name]["depends_on"] = {before: "ready"}
    for name, wanted in more.items():
        tree[name].setdefault("depends_on", {}).update(wanted)
    return dependencies(config_of(tree))


OFF = {"enabled": False}


@pytest.mark.parametrize(
    ("name", "blocks", "needs"),
    [
        ("riven_frontend", {"riven_frontend": {}, "riven_backend": {}}, {"riven_backend"}),
        ("zilean", {"zilean": {}, "postgres": {}}, {"postgres"}),
        ("zilean", {"zilean": {}, "postgres": OFF}, set()),
        ("zilean", {"zilean": OFF, "postgres": {}}, {"postgres"}),
        ("cloudflared", {"cloudflared": {}, "traefik": {}}, {"traefik"}),
        ("traefik", {"traefik": {}, "traefik_proxy_admin": {}}, {"traefik_proxy_admin"}),
        ("bazarr", {"bazarr": {}, "postgres": {}}, set()),
        ("bazarr", {"bazarr": {"postgres_enabled": True}, "postgres": {}}, {"postgres"}),
        ("bazarr", {"bazarr": {"postgres_enabled": "yes"}, "postgres": {}}, set()),
        ("seerr", {"seerr": {}, "plex": {}, "emby": {}}, {"plex", "emby"}),
        ("seerr", {"seerr": {"core_service": "Emby Media Server"}, "plex": {}, "emby": {}},
         {"emby"}),
        ("tautulli", {"tautulli": {}, "plex": OFF}, set()),
        ("cli_debrid", {"cli_debrid": {}, "cli_battery": {}, "phalanx_db": {}},
         {"cli_battery", "phalanx_db"}),
        ("neutarr", {"neutarr": {}, "sonarr": {"use_neutarr": True}, "radarr": {}}, {"sonarr"}),
        ("decypharr", {"decypharr": {"mount_type": "dfs"}, "rclone": {"core_service": "decypharr"}},
         set()),
        ("decypharr",
         {"decypharr": {"mount_type": "external_rclone"}, "rclone": {"core_service": "decypharr"}},
         {"rclone"}),
        ("rclone",
         {"decypharr": {"mount_type": "external_rclone"},
          "rclone": {"core_service": "decypharr", "decypharr_enabled": True}}, {"decypharr"}),
        ("rclone", {"rclone": {"key_type": "nzbdav"}, "infinidysk": {}}, {"infinidysk"}),
        ("rclone", {"rclone": {"zurg_enabled": True}, "zurg": {}}, {"zurg"}),
        ("plex", {"plex": {}, "rclone": {}, "decypharr": {"mount_type": "dfs"}},
         {"rclone", "decypharr"}),
        ("plex", {"plex": {}, "decypharr": {"mount_type": "none"}}, set()),
        ("riven_backend", {"riven_backend": {}, "postgres": {}, "zurg": {"core_service": "Riven"}},
         {"postgres", "zurg"}),
        ("riven_backend",
         {"riven_backend": {"branch_enabled": True}, "postgres": {},
          "zurg": {"core_service": "Riven"}}, {"postgres"}),
    ],
)  # fmt: skip
def test_facts(name: str, blocks: Tree, needs: set[str]) -> None:
    assert set(_needs(name, **blocks)) == needs


def test_instances_need_their_own() -> None:
    blocks = {
        "rclone": {"instances": {"A": {"zurg_enabled": True, "zurg_config_file": "/a"}}},
        "zurg": {"instances": {"A": {"config_file": "/a"}, "B": {"config_file": "/b"}}},
    }
    assert set(_needs("rclone A", **blocks)) == {"zurg A"}


def test_what_a_person_says_of_a_fact_counts() -> None:
    tree = _tree(zilean={"depends_on": {"postgres": "healthy"}}, postgres={})
    (need,) = dependencies(config_of(tree)).needs["zilean"]
    assert (need.condition, need.source) == (Condition.HEALTHY, Source.DEPENDS_ON)
    assert need.signals == ("non_core_dependency_map", "depends_on")
    tree = _tree(zilean={"depends_on": {"postgres": None}}, postgres={})
    assert dependencies(config_of(tree)).needs["zilean"] == ()
    assert dependencies(config_of(tree)).problems == ()


@pytest.mark.parametrize(
    ("waits", "on", "signal"),
    [
        ({"wait_for_url": [{"url": "http://127.0.0.1:9090/dav"}]}, "zurg", "wait_for_url"),
        ({"wait_for_url": {"url": "http://localhost:9090"}}, "zurg", "wait_for_url"),
        ({"wait_for_url": [{"url": "http://nzbdav:3000/"}]}, "infinidysk", "wait_for_url"),
        ({"wait_for_url": [{"url": "http://127.0.0.1/ui/zurg/x"}]}, "zurg", "wait_for_url"),
        ({"wait_for_url": [{"url": "http://x/", "service": "Zurg"}]}, "zurg", "wait_for_url"),
        ({"wait_for_dir": "/mnt/debrid/riven/shows"}, "rclone", "wait_for_dir"),
        ({"wait_for_mounts": ["/mnt/debrid/riven/"]}, "rclone", "wait_for_mounts"),
        ({"wait_for_url": [{"url": "http://127.0.0.1:7777/"}]}, "", ""),
        ({"wait_for_url": [{"url": "http://[::1/"}]}, "", ""),
        ({"wait_for_dir": "/mnt/debrid/rivendell"}, "", ""),
        ({"wait_for_dir": "/mnt"}, "", ""),
        ({"wait_for_url": "nonsense", "wait_for_mounts": [7]}, "", ""),
    ],
)
def test_a_wait_is_a_need_where_it_is_clear_whose_it_is(waits: Tree, on: str, signal: str) -> None:
    found = _needs(
        "mine",
        mine=waits,
        zurg={"port": 9090},
        infinidysk={"port": 3000},
        rclone={"mount_dir": "/mnt/debrid", "mount_name": "riven"},
        twin={"port": 7777},
        other_twin={"port": 7777},
    )
    assert found == ({on: (signal,)} if on else {})


def test_a_guess_that_makes_a_cycle_is_dropped_in_silence() -> None:
    tree = _tree(
        a={"port": 1000, "depends_on": {"b": "ready"}},
        b={"wait_for_url": [{"url": "http://127.0.0.1:1000/"}]},
    )
    graph = dependencies(config_of(tree))
    assert graph.needs_of("a") == ["b"]
    assert graph.needs_of("b") == []
    assert graph.problems == ()


@pytest.mark.parametrize(
    ("wanted", "path", "message"),
    [
        (["b"], "a.depends_on", "must be an object"),
        ({"a": "ready"}, "a.depends_on.a", "cannot depend on itself"),
        ({"zz": "ready"}, "a.depends_on.zz", "no service is named 'zz'"),
        ({"bb": "ready"}, "a.depends_on.bb", "did you mean 'bbb'?"),
        ({"bbb": "soon"}, "a.depends_on.bbb", "must be one of started, ready, healthy, completed"),
        ({"bbb": 1}, "a.depends_on.bbb", "must be one of"),
        ({"x" * 5000: "ready"}, f"a.depends_on.{'x' * 5000}", f"named '{'x' * 200}'"),
    ],
)
def test_what_cannot_be_is_left_out_and_told(wanted: Any, path: str, message: str) -> None:
    graph = dependencies(
        config_of(_tree(a={"depends_on": wanted}, bbb={}, c={"depends_on": {"a": "ready"}}))
    )
    (problem,) = graph.problems
    assert (".".join(problem.path), problem.process_name) == (path, "a")
    assert message in problem.message
    assert graph.needs_of("a") == []
    assert graph.needs_of("c") == ["a"]


def test_a_cycle_is_printed_and_everything_else_stands() -> None:
    graph = _chain("a", "b", "c", "d", b={"c": "started"})
    assert [(p.process_name, p.message) for p in graph.problems] == [
        ("b", "makes a cycle: b → c → b"),
        ("c", "makes a cycle: b → c → b"),
    ]
    assert graph.needs_of("b") == ["a"]
    assert graph.needs_of("c") == []
    assert graph.needs_of("d") == ["c"]


def test_a_long_cycle_is_printed_in_part() -> None:
    names = [f"n{number}" for number in range(30)]
    graph = _chain(*names, n0={"n29": "ready"})
    assert len(graph.problems) == 30
    assert "(" in graph.problems[0].message
    assert len(graph.problems[0].message) < 200


def test_orders() -> None:
    tree = _tree(
        front={"depends_on": {"back": "ready", "cache": "ready"}},
        back={"depends_on": {"db": "ready"}},
        cache={},
        db={},
        alone={},
    )
    graph = dependencies(config_of(tree))
    assert graph.order() == ["cache", "db", "alone", "back", "front"]
    assert graph.waves() == [["cache", "db", "alone"], ["back"], ["front"]]
    assert graph.waves(["front", "db"]) == [["db"], ["front"]]
    assert graph.shutdown_waves() == [["front", "alone"], ["back", "cache"], ["db"]]
    assert graph.shutdown_waves(["db", "front"]) == [["front"], ["db"]]
    assert graph.needs_of("front", transitive=True) == ["cache", "db", "back"]
    assert graph.dependents_of("db", transitive=True) == ["back", "front"]
    assert graph.needs_of("nobody") == graph.dependents_of("nobody", transitive=True) == []


def test_media_servers_end_first_and_databases_last_where_the_graph_does_not_say() -> None:
    graph = dependencies(
        config_of(_tree(postgres={}, plex={}, sonarr={}, rclone={}, pgadmin={}, own={}))
    )
    assert graph.shutdown_waves() == [
        ["plex"], ["sonarr", "own"], ["rclone"], ["pgadmin"], ["postgres"],
    ]  # fmt: skip


def test_the_longest_way() -> None:
    graph = _chain("a", "b", "c", c={"a": "ready"})
    assert graph.longest_way("c", lambda name: {"a": 2.0, "b": 3.0}[name]) == 5
    assert graph.longest_way("a", lambda _name: 7.0) == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_wishes_make_orders_that_keep_them(seed: int) -> None:
    """Any wishes at all: what is left of them is free of cycles, and every order respects it."""
    rng = random.Random(seed)
    names = [f"n{number}" for number in range(25)]
    tree = _tree(**{name: {} for name in names})
    for name in names:
        others = rng.sample(names, rng.randrange(3))
        tree[name]["depends_on"] = dict.fromkeys(others, "ready")
    graph = dependencies(config_of(tree))
    at = {name: index for index, wave in enumerate(graph.waves()) for name in wave}
    end = {name: index for index, wave in enumerate(graph.shutdown_waves()) for name in wave}
    assert len(at) == len(end) == len(names)
    refused = {(p.process_name, p.path[-1]) for p in graph.problems}
    for name in names:
        for on in tree[name]["depends_on"]:
            assert (on in graph.needs_of(name)) != ((name, on) in refused)
        for on in graph.needs_of(name):
            assert at[on] < at[name]
            assert end[on] > end[name]
