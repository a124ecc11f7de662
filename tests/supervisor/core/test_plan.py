"""From a wish to a change of the configuration: tables, no process, no Redis."""

from collections.abc import Iterable
from typing import Any

import pytest

from services.supervisor.config_state import make_state
from services.supervisor.core.plan import Plan, make_plan
from services.supervisor.core.request import BadRequestError, parse_request
from shared.config.environment import Variable
from shared.config.pages import config_of
from shared.config.template import templates
from shared.config.trees import Path, value_at

API = {"dumb": {"api_service": {"process_name": "DUMB API", "port": 8000}}}


def plan(
    tree: dict[str, Any],
    *cores: dict[str, Any] | str,
    optional: Iterable[str] = (),
    optional_options: dict[str, Any] | None = None,
    running: Iterable[str] = (),
    taken: Iterable[int] = (),
    patches: dict[Path, Any] | None = None,
    variables: dict[str, Variable] | None = None,
) -> Plan:
    wishes = [{"name": core} if isinstance(core, str) else core for core in cores]
    request = parse_request(
        {
            "core_services": wishes,
            "optional_services": list(optional),
            "optional_service_options": optional_options,
        }
    )
    state = make_state(config_of({**API, **tree}), patches or {}, variables or {})
    busy = set(taken)
    made = make_plan(request, state, templates(), frozenset(running), lambda p: p not in busy)
    make_state(made.file, made.patches, variables or {})  # what is planned can be used
    return made


def at(made: Plan, *path: str) -> Any:
    return value_at(made.file, path)


def instances(made: Plan, key: str) -> dict[str, Any]:
    found: dict[str, Any] = at(made, key, "instances")
    return found


def errors(made: Plan) -> dict[str, str]:
    return {failure.service: failure.error for failure in made.failures}


SONARR = templates()["sonarr"].block
PLAIN = {"sonarr": {"instances": {"Default": SONARR}}}
MINE = {**SONARR, "config_dir": "/mine"}


# -- which service, which instance ------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["sonarr", "Sonarr", "SONARR", " sonarr "])
def test_a_service_that_the_file_lacks_is_added_from_the_template(spelled: str) -> None:
    made = plan({}, spelled)
    block = instances(made, "sonarr")["Default"]
    assert block == {**SONARR, "enabled": True}
    assert made.names == ("Sonarr",)
    assert made.cores[0].asked == spelled
    assert made.notes == ("Sonarr was added",)


def test_a_process_name_means_that_instance() -> None:
    tree = {"sonarr": {"instances": {"Default": SONARR, "4K": {**SONARR, "process_name": "Four"}}}}
    made = plan(tree, "Four")
    assert made.names == ("Four",)
    assert instances(made, "sonarr")["Default"] is SONARR


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zilean", "no core service"),
        ("traefik", "no core service"),
        ("Odd", "no core service"),
        ("nobody", "No core service is named 'nobody'"),
        ("", "No core service is named ''"),
        ("x" * 10_000, "No core service"),
    ],
)
def test_what_is_no_core_service_leaves_no_trace(name: str, words: str) -> None:
    made = plan({"odd": {"process_name": "Odd"}}, name, "radarr")
    assert words in errors(made)[name]
    assert len(errors(made)[name]) < 300
    assert made.names == ("Radarr",)


@pytest.mark.parametrize(
    ("wished", "name", "process_name", "directory"),
    [
        ("Anime", "Anime", "Sonarr Anime", "/sonarr/anime"),
        ("My 4K", "My 4K", "Sonarr My 4K", "/sonarr/my_4k"),
        ("../../etc", "etc", "Sonarr etc", "/sonarr/etc"),
        ("a.b/c", "abc", "Sonarr abc", "/sonarr/abc"),
        ("  x  y ", "x y", "Sonarr x y", "/sonarr/x_y"),
    ],
)
def test_a_new_instance(wished: str, name: str, process_name: str, directory: str) -> None:
    made = plan(PLAIN, {"name": "sonarr", "instance_name": wished})
    block = instances(made, "sonarr")[name]
    assert (block["process_name"], block["config_dir"]) == (process_name, directory)
    assert block["config_file"] == f"{directory}/config.xml"
    assert block["log_file"] == f"{directory}/logs/sonarr.txt"
    assert made.names == (process_name,)


@pytest.mark.parametrize("wished", ["...", "///", "é", "x" * 65, "x" * 10_000, "_-_"])
def test_an_instance_name_of_which_nothing_or_too_much_is_left(wished: str) -> None:
    made = plan(PLAIN, {"name": "sonarr", "instance_name": wished})
    assert "instance_name" in errors(made)["sonarr"]
    assert made.file["sonarr"] is PLAIN["sonarr"]


def test_the_unused_first_instance_makes_room_and_no_other() -> None:
    anime = {"name": "sonarr", "instance_name": "Anime"}
    assert list(instances(plan(PLAIN, anime), "sonarr")) == ["Anime"]
    for block in (MINE, {**SONARR, "enabled": True}, {**SONARR, "mine": 1}):
        tree = {"sonarr": {"instances": {"Default": block}}}
        assert instances(plan(tree, anime), "sonarr")["Default"] == block
    made = plan(PLAIN, anime, running=["Sonarr"])
    assert list(instances(made, "sonarr")) == ["Default", "Anime"]


def test_an_instance_that_is_there_is_used() -> None:
    tree = {"sonarr": {"instances": {"anime": {**MINE, "process_name": "My Anime"}}}}
    made = plan(tree, {"name": "sonarr", "instance_name": "Anime"})
    assert instances(made, "sonarr") == {
        "anime": {**MINE, "process_name": "My Anime", "enabled": True}
    }
    assert made.names == ("My Anime",)


def test_without_a_name_what_is_enabled_is_meant_else_the_first() -> None:
    on = {**MINE, "enabled": True}
    two = {"4K": {**on, "process_name": "Four", "port": 1}, "Default": MINE}
    assert plan({"sonarr": {"instances": two}}, "sonarr").names == ("Four",)
    assert plan({"sonarr": {"instances": {"Mine": MINE}}}, "sonarr").names == ("Sonarr",)
    assert plan({"sonarr": {"instances": {}}}, "sonarr").names == ("Sonarr",)


def test_a_command_that_another_instance_has_goes_along() -> None:
    command = ["/opt/Sonarr", "-data=/x", "/sonarr/default/db"]
    tree = {"sonarr": {"instances": {"Default": {**SONARR, "command": command}}}}
    made = plan(tree, {"name": "sonarr", "instance_name": "Anime"})
    assert instances(made, "sonarr")["Anime"]["command"] == [*command[:2], "/sonarr/anime/db"]


def test_the_same_wish_again_changes_nothing() -> None:
    wishes = (
        {"name": "sonarr", "instance_name": "Anime", "service_options": {"sonarr": {"port": 8989}}},
        {"name": "riven_backend", "debrid_service": "RealDebrid", "debrid_key": "k"},
        "plex",
    )
    first = plan(PLAIN, *wishes, optional=["zilean", "authelia"])
    tree = {key: value for key, value in first.file.items() if key != "dumb"}
    again = plan(tree, *wishes, optional=["zilean", "authelia"])
    assert again.file == first.file
    assert (again.names, again.notes) == (first.names, ())


def test_a_file_of_another_form_is_left_alone() -> None:
    odd = {"sonarr": {"process_name": "My Sonarr"}}
    made = plan(odd, {"name": "sonarr", "instance_name": "Anime"})
    assert "without 'instances'" in errors(made)["sonarr"]
    twin = {"other": {"process_name": "Sonarr Anime"}}
    made = plan({**PLAIN, **twin}, {"name": "sonarr", "instance_name": "Anime"})
    assert "name of 'other' already" in errors(made)["sonarr"]
    assert made.file["sonarr"] is PLAIN["sonarr"]


# -- ports ------------------------------------------------------------------------------------


def _port(made: Plan, instance: str) -> int:
    found: int = instances(made, "sonarr")[instance]["port"]
    return found


def test_ports_move_up_until_nothing_collides() -> None:
    names = ("A", "B", "C")
    wishes = [{"name": "sonarr", "instance_name": name} for name in names]
    made = plan(PLAIN, *wishes, taken=[8990])
    assert [_port(made, name) for name in names] == [8989, 8991, 8992]
    assert "Sonarr B has port 8991, because 8989 is taken" in made.notes


def test_wishes_that_collide_with_each_other_and_with_what_is_enabled() -> None:
    other = {"other": {"process_name": "Other", "enabled": True, "port": 9000}}
    off = {"off": {"process_name": "Off", "enabled": False, "port": 9001}}
    wish = {"sonarr": {"port": 9000}}
    wishes = [
        {"name": "sonarr", "instance_name": name, "service_options": wish} for name in ("A", "B")
    ]
    made = plan({**PLAIN, **other, **off}, *wishes)
    assert [_port(made, "A"), _port(made, "B")] == [9001, 9002]
    assert at(made, "other", "port") == 9000
    api = plan({}, {"name": "sonarr", "service_options": {"sonarr": {"port": 8000}}})
    assert _port(api, "Default") == 8001


def test_a_running_service_keeps_its_port() -> None:
    tree = {"sonarr": {"instances": {"Default": {**SONARR, "enabled": True}}}}
    assert _port(plan(tree, "sonarr", running=["Sonarr"], taken=[8989]), "Default") == 8989
    assert _port(plan(tree, "sonarr", taken=[8989]), "Default") == 8990


def test_a_port_that_the_environment_decides_is_left_to_it() -> None:
    variables = {"SONARR_INSTANCES_DEFAULT_PORT": Variable("7000", "environment")}
    made = plan(PLAIN, "sonarr", variables=variables, taken=[7000, 8989])
    assert _port(made, "Default") == 8989


def test_both_ports_of_one_service_and_no_port_at_all() -> None:
    made = plan({}, "infinidysk", "riven_backend", optional=["riven_frontend", "cloudflared"])
    ports = [at(made, "infinidysk", key) for key in ("frontend_port", "backend_port")]
    ports += [at(made, key, "port") for key in ("riven_backend", "riven_frontend")]
    assert ports == [3000, 8080, 8081, 3001]
    assert "port" not in at(made, "cloudflared")
    made = plan({}, "plex", taken=range(32400, 65536))
    assert "No port from 32400 on is free" in errors(made)["plex"]
    assert "plex" not in made.file


# -- options ----------------------------------------------------------------------------------


def test_options_by_service_and_by_instance() -> None:
    options = {
        "Sonarr": {"log_level": None, "use_neutarr": False, "port": "9000"},
        "An.ime": {"port": 9100},
        "nobody": {"port": 1},
    }
    made = plan(
        PLAIN, {"name": "sonarr", "instance_name": "An.ime", "service_options": options}, "radarr"
    )
    assert _port(made, "Anime") == 9100
    assert instances(made, "radarr")["Default"]["port"] == 7878


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"port": 70000}, "'port' must be"),
        ({"port": "many"}, "'port' must be"),
        ({"port": True}, "'port' must be"),
        ({"use_neutarr": "yes"}, "'use_neutarr' must be true or false"),
        ({"release_version": 3}, "'release_version' must be text"),
        ({"env": {"A": {}}}, "'env' the value of"),
        ({"process_name": "Other"}, "'process_name' cannot be set here"),
        ({"enabled": False}, "'enabled' cannot be set here"),
        ({"nonsense": 1}, "'nonsense' cannot be set here"),
        ({"x" * 10_000: 1}, "cannot be set here"),
    ],
)
def test_an_option_that_cannot_be_used_leaves_no_trace(fields: dict[str, Any], words: str) -> None:
    made = plan(PLAIN, {"name": "sonarr", "service_options": {"sonarr": fields}}, "radarr")
    assert words in errors(made)["sonarr"]
    assert made.file["sonarr"] is PLAIN["sonarr"]
    assert made.names == ("Radarr",)


def test_what_was_set_in_memory_only_gives_way() -> None:
    path = ("sonarr", "instances", "Default", "enabled")
    kept = ("dumb", "log_level")
    made = plan(PLAIN, "sonarr", patches={path: False, kept: "DEBUG"})
    assert made.patches == {kept: "DEBUG"}


# -- what they need ---------------------------------------------------------------------------


def test_riven_gets_a_zurg_and_an_rclone_of_its_own() -> None:
    spare = {
        key: {"instances": {"RealDebrid": templates()[key].block}} for key in ("zurg", "rclone")
    }
    wish = {"name": "Riven", "debrid_service": ["Real Debrid"], "debrid_key": ["k-1"]}
    made = plan(spare, wish)
    zurg, rclone = instances(made, "zurg"), instances(made, "rclone")
    assert (list(zurg), list(rclone)) == (["Riven"], ["Riven"])
    block = zurg["Riven"]
    assert (block["core_service"], block["api_key"]) == ("riven_backend", "k-1")
    assert (block["process_name"], block["port"]) == ("Zurg w/ Riven", 9090)
    assert (block["config_dir"], block["command"]) == ("/zurg/RD/Riven", "/zurg/RD/Riven/zurg")
    block = rclone["Riven"]
    assert (block["process_name"], block["mount_name"]) == ("Rclone w/ Riven", "riven")
    assert (block["zurg_enabled"], block["decypharr_enabled"]) == (True, False)
    assert block["zurg_config_file"] == zurg["Riven"]["config_file"]
    assert at(made, "postgres", "enabled") is True
    assert set(made.names) == {"Riven Backend", "Zurg w/ Riven", "Rclone w/ Riven", "PostgreSQL"}


def test_a_helper_that_serves_it_already_is_used() -> None:
    own = {**templates()["zurg"].block, "core_service": ["clid"], "api_key": "old", "enabled": True}
    made = plan({"zurg": {"instances": {"RealDebrid": own}}}, "cli_debrid")
    assert instances(made, "zurg") == {"RealDebrid": own}
    assert list(instances(made, "rclone")) == ["CLID"]
    assert {"CLI Battery", "Phalanx DB"} < set(made.names)


def test_decypharr_keeps_its_keys_and_mounts_by_itself() -> None:
    wish: dict[str, Any] = {
        "name": "decypharr",
        "debrid_service": ["RealDebrid", "TorBox", "AllDebrid"],
        "debrid_key": ["a", None, "c"],
    }
    made = plan({}, wish)
    assert at(made, "decypharr", "api_keys") == {"realdebrid": "a", "alldebrid": "c"}
    assert made.names == ("Decypharr",)
    wish["service_options"] = {"decypharr": {"mount_type": "external_rclone"}}
    rclone = instances(plan({}, wish), "rclone")["Decypharr"]
    assert (rclone["decypharr_enabled"], rclone["zurg_enabled"]) == (True, False)
    assert instances(plan({}, "infinidysk"), "rclone")["InfiniDysk"]["key_type"] == "infinidysk"


def test_a_branch_of_riven_needs_no_mount() -> None:
    options = {"riven_backend": {"branch_enabled": True}}
    made = plan({}, {"name": "riven_backend", "service_options": options})
    assert set(made.names) == {"Riven Backend", "PostgreSQL"}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"debrid_service": ["RealDebrid"], "debrid_key": ["a", "b"]}, "more keys"),
        ({"debrid_key": "a"}, "more keys"),
        ({"debrid_service": "Nobody"}, "takes no debrid service 'Nobody'"),
    ],
)
def test_accounts_that_do_not_fit(wish: dict[str, Any], words: str) -> None:
    made = plan({}, {"name": "riven_backend", **wish})
    assert words in errors(made)["riven_backend"]
    assert made.file == API


def test_postgres_comes_with_whoever_needs_it_and_knows_their_databases() -> None:
    options = {
        "sonarr": {"postgres_enabled": True, "postgres_main_db": "s", "postgres_log_db": "l"}
    }
    made = plan({}, {"name": "sonarr", "service_options": options}, optional=["mediastorm"])
    names = [entry["name"] for entry in at(made, "postgres", "databases")]
    assert names[-3:] == ["s", "l", "mediastorm"]
    assert "PostgreSQL" in made.names
    moved = plan({}, optional=["zilean", "mediastorm"], taken=[5432])
    assert at(moved, "postgres", "port") == 5433
    assert at(moved, "mediastorm", "wait_for_tcp")[0]["port"] == 5433


def test_an_arr_that_wants_neutarr_brings_it_along() -> None:
    made = plan({}, {"name": "radarr", "service_options": {"radarr": {"use_neutarr": True}}})
    assert made.names == ("Radarr", "NeutArr")


# -- optional services ------------------------------------------------------------------------


def test_optional_services_take_options_from_both_places() -> None:
    wish = {"name": "sonarr", "service_options": {"zilean": {"log_level": "ERROR", "port": 9}}}
    made = plan(
        {},
        wish,
        optional=["Zilean", "tautulli", "Zilean"],
        optional_options={"zilean": {"log_level": "DEBUG", "port": None}},
    )
    assert [wanted.asked for wanted in made.optionals] == ["Zilean", "tautulli"]
    assert (at(made, "zilean", "log_level"), at(made, "zilean", "port")) == ("DEBUG", 9)
    assert set(made.names) == {"Sonarr", "PostgreSQL", "Zilean", "Tautulli"}


def test_optional_alone() -> None:
    made = plan({}, optional=["tautulli"])
    assert (made.cores, made.names) == ((), ("Tautulli",))
    assert plan({}).names == ()


def test_what_is_no_optional_service_is_wrong_as_a_whole() -> None:
    for name in ("sonarr", "nobody", "x" * 10_000):
        with pytest.raises(BadRequestError, match="is no optional service"):
            plan({}, "sonarr", optional=["zilean", name])


def test_an_optional_service_that_cannot_be_set_up_leaves_the_others_alone() -> None:
    made = plan({}, "sonarr", optional=["zilean"], optional_options={"zilean": {"port": "x"}})
    assert "'port'" in errors(made)["zilean"]
    assert made.names == ("Sonarr",)
    assert "postgres" not in made.file


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"core_services": "sonarr"},
        {"core_services": [1]},
        {"core_services": [{"name": 1}]},
        {"core_services": [{}]},
        {"core_services": [{"name": "a", "instance_name": 3}]},
        {"core_services": [{"name": "a", "debrid_key": [1]}]},
        {"core_services": [{"name": "a", "service_options": {"a": 1}}]},
        {"core_services": [{"name": "a", "service_options": []}]},
        {"core_services": [], "optional_services": [1]},
        {"core_services": [], "optional_services": "zilean"},
    ],
)
def test_arguments_of_another_form(args: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        parse_request(args)
