"""A masked block, posted back, loses nothing: every block of the original's default, both ways."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from shared.config.masking import (
    MASK,
    MaskError,
    holds_secrets,
    masked,
    unmasked,
    without_env,
)
from shared.config.services import walk_services
from shared.secret_names import is_secret_name
from tests.config.conftest import Desk

ORIGINAL = (
    Path(__file__).resolve().parents[3] / "shared" / "reference" / "original-dumb_config.json"
)
SAMPLE = Path(__file__).resolve().parents[2] / "dumb_config.json"
ARGUMENT = "--token=abcdef123456"
FLAG = ("--rc-pass", "abcdef123456", "--api-key", "abcdef1234567")


def full_of_secrets(tree: Any, key: str = "") -> Any:
    """The tree with a secret in every place that could hold one."""
    if isinstance(tree, dict):
        return {name: full_of_secrets(value, name) for name, value in tree.items()}
    if key == "command":
        return [*tree, ARGUMENT, *FLAG] if isinstance(tree, list) else f"{tree} {ARGUMENT}"
    if isinstance(tree, list):
        return [full_of_secrets(item, key) for item in tree]
    return f"s3cret {key}" if is_secret_name(key) and isinstance(tree, str) else tree


def _default() -> Any:
    found = ORIGINAL if ORIGINAL.exists() else SAMPLE
    return full_of_secrets(json.loads(found.read_bytes()))


TREE = _default()


@pytest.mark.parametrize("path", [s.path for s in walk_services(TREE)], ids=".".join)
def test_the_round_trip_of_a_block(path: tuple[str, ...]) -> None:
    block = TREE
    for key in path:
        block = block[key]
    shown = masked(block)
    assert holds_secrets(block) == (shown != block)
    assert "s3cret" not in json.dumps(shown)
    assert "abcdef123456" not in json.dumps(shown)
    assert unmasked(shown, block) == block
    assert unmasked(copy.deepcopy(block), block) == block
    changed = {**shown, "log_level": "DEBUG"}
    assert unmasked(changed, block) == {**block, "log_level": "DEBUG"}


def test_items_of_a_list_are_found_again() -> None:
    there = [{"id": "a", "token": "1"}, {"id": "b", "token": "2"}]
    assert unmasked([{"id": "b", "token": MASK, "x": 1}], there) == [
        {"id": "b", "token": "2", "x": 1}
    ]
    assert unmasked(["x", "--token=***"], ["--token=abcdef", "y"]) == ["x", "--token=abcdef"]
    assert unmasked([MASK, "new"], ["old"], "api_key") == ["old", "new"]


COMMAND = ["rclone", "--rc-pass", "one", "--token", "two", "--no-auth", "rcd", "--auth", "basic"]
SHOWN = ["rclone", "--rc-pass", MASK, "--token", MASK, "--no-auth", "rcd", "--auth", "basic"]


def test_the_item_after_a_flag() -> None:
    assert masked({"command": COMMAND}) == {"command": SHOWN}
    assert masked(["--rc-pass", "--x", "--token", "", "-p", "y"]) == [
        "--rc-pass", "--x", "--token", "", "-p", "y"
    ]  # fmt: skip
    assert (
        masked("rclone rcd --rc-pass one --rc-addr :1") == "rclone rcd --rc-pass *** --rc-addr :1"
    )
    assert unmasked(SHOWN, COMMAND, "command") == COMMAND
    # By its flag each mask is known again, wherever it has gone.
    longer = ["nice", *SHOWN[:3], "--new", *SHOWN[3:]]
    assert unmasked(longer, COMMAND) == ["nice", *COMMAND[:3], "--new", *COMMAND[3:]]
    turned = ["rclone", "--token", MASK, "--rc-pass", MASK]
    assert unmasked(turned, COMMAND) == ["rclone", "--token", "two", "--rc-pass", "one"]


def test_a_value_that_is_plainly_none_stays() -> None:
    tree = {
        "auth": "basic", "session_timeout": 30, "sessions": 5, "tokens": 512, "pass": True,
        "cookie_domain": "nas", "auth_method": "forms", "author": "bob",
        "cookies": "/c/cookies.txt",
        "auth_block": {"auth": {"enabled": True, "method": "basic", "users": ["bob"]}},
        "pwd": None, "claim": "",
    }  # fmt: skip
    assert masked(tree) == tree
    secret = {
        "pass": "x", "pwd": "x", "auth": "bob:x", "credentials": "x", "cookie": "a=b",
        "session": "x1",        "claim": "claim-1", "apikey_sonarr": "x", "password": 12345,
        "basic_auth": {"password": "x"},
        "tokens": ["a", {"b": "c"}],
    }  # fmt: skip
    assert masked(secret) == {
        **dict.fromkeys(secret, MASK),
        "basic_auth": {"password": MASK},
        "tokens": [MASK, {"b": MASK}],
    }
    assert unmasked(masked(secret), secret) == secret


def test_environments_for_those_who_are_no_administrators() -> None:
    tree = {
        "env": {"PLAIN": "shown", "N": 5, "EMPTY": "", "NONE": None, "ON": True},
        "a": [{"env": ["PLAIN=shown", "word"]}, {"Env": "X=1"}],
        "env_copy": {"source": "/a"},
    }
    assert without_env(tree) == {
        "env": {"PLAIN": MASK, "N": MASK, "EMPTY": "", "NONE": None, "ON": MASK},
        "a": [{"env": ["PLAIN=***", MASK]}, {"Env": "X=***"}],
        "env_copy": {"source": "/a"},
    }


@pytest.mark.parametrize(
    ("posted", "there"),
    [
        ({"token": MASK}, {}),
        ({"a": {"token": MASK}}, {"a": 1}),
        (["--token=*** --more"], ["--token=abcdef"]),
        ([MASK], ["--token", "one", "--token", "two"]),
        ([{"id": "c", "token": MASK}, 1], [{"id": "a", "token": "1"}]),
    ],
)
def test_a_mask_that_stands_for_nothing_is_refused(posted: Any, there: Any) -> None:
    with pytest.raises(MaskError):
        unmasked(posted, there)


async def test_over_http_in_both_forms(desk: Desk) -> None:
    desk.supervisor.write_config({key: value for key, value in TREE.items() if key != "dumb"})
    assert desk.supervisor.run("reload-config", "")["status"] == "succeeded"
    before, version = desk.file(), desk.supervisor.version()
    for service in walk_services(before):
        for hidden in (False, True):
            block = (await desk.get(service.process_name, masked=hidden)).json()
            answer = await desk.update(service.process_name, block, persist=True)
            assert answer.status_code == 200, (service.process_name, answer.text)
    for hidden in (False, True):
        whole = (await desk.get(masked=hidden)).json()
        assert (await desk.update(None, whole)).status_code == 200
    assert desk.file() == before
    assert desk.supervisor.version() == version


async def test_reading_secrets_is_audited_once_a_minute(desk: Desk) -> None:
    for _ in range(3):
        await desk.get("Web")
        await desk.get("Web", masked=True)
    entries: Any = desk.supervisor.redis.xrange("dumb:audit")
    reads = [e for _, e in entries if e[b"action"] == b"read-secrets"]
    assert [e[b"target"] for e in reads] == [b"/config Web"]
