"""What an application's answer says about its health (contract lifecycle.md 9). Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from services.supervisor.probes.http import Answer, json_at
from services.supervisor.probes.verdict import Health, Verdict

_WORDS: Final[dict[Health, str]] = {
    Health.HEALTHY: "ok okay up healthy ready running pong pass passed passing alive green success",
    Health.STARTING: "starting initializing initialising migrating pending warming warming_up "
    "warmup booting loading",
    Health.DEGRADED: "warn warning degraded partial unknown yellow",
    Health.UNHEALTHY: "down error fail failed failing failure unavailable unhealthy not_ready "
    "critical fatal red stopped dead",
}
_BY_WORD: Final = {word: health for health, words in _WORDS.items() for word in words.split()}
_STATE_KEYS: Final = ("status", "state", "health", "overallstatus")
_LIST_KEYS: Final = ("components", "checks", "services", "entries", "dependencies", "results")
_SOFT: Final = frozenset({401, 403, 404, 405, 429})
MAX_COMPONENTS: Final = 12
_LONGEST_WORD: Final = 64


def judge(answer: Answer, *, contains: str = "", json_field: str = "") -> Verdict:
    """An answer of a known application.

    `contains`, `json_field`: what marks the application; without it the answer came from
    something else, which is `degraded`.
    """
    tree = _json(answer.body)
    word, components = _reported(tree, answer)
    details: dict[str, Any] = {"http_status": answer.status, "latency_ms": answer.latency_ms}
    if word:
        details["reported_status"] = word
    if components:
        details["components"] = components
    if answer.truncated:
        details["response_truncated"] = True
    health, reason = _said(answer, word, components)
    if health is None:
        health, reason = _by_status(answer.status)
    if health is Health.HEALTHY and not _is_application(answer, tree, contains, json_field):
        details["validation"] = "failed"
        what = f"'{json_field}'" if json_field else f"'{contains}'"
        health, reason = Health.DEGRADED, f"The answer lacks {what}"
    return Verdict(health, reason, details)


def _said(answer: Answer, word: str, components: list[dict[str, str]]) -> tuple[Health | None, str]:
    """What it says in words, if it does."""
    if answer.truncated:
        return Health.DEGRADED, "The answer is too large"
    found = [_BY_WORD[key] for part in components if (key := _plain(part["status"])) in _BY_WORD]
    if word:
        health = _BY_WORD.get(_plain(word))
        if health is None:
            ok = 200 <= answer.status < 300
            return (Health.DEGRADED, f"Reports '{word}'") if ok else (None, "")
        return health, "" if health is Health.HEALTHY else f"Reports '{word}'"
    for health in (Health.UNHEALTHY, Health.STARTING, Health.DEGRADED):
        if health in found:
            names = [p["name"] for p in components if _BY_WORD.get(_plain(p["status"])) is health]
            return health, f"Reports {health}: {', '.join(names)}"
    return (Health.HEALTHY, "") if found else (None, "")


def _by_status(status: int) -> tuple[Health, str]:
    if 200 <= status < 300:
        return Health.HEALTHY, ""
    if status >= 500:
        return Health.UNHEALTHY, f"HTTP {status}"
    return Health.DEGRADED, f"HTTP {status}"


def _is_application(answer: Answer, tree: Any, contains: str, json_field: str) -> bool:
    if contains and contains.encode() not in answer.body:
        return False
    if not json_field:
        return True
    there, value = json_at(tree, json_field)
    return there and value not in (None, False, "")


def _json(body: bytes) -> Any:
    if body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _reported(tree: Any, answer: Answer) -> tuple[str, list[dict[str, str]]]:
    """The word for the whole, "" when there is none, and the components with theirs."""
    if not isinstance(tree, Mapping):
        short = len(answer.body) <= _LONGEST_WORD and 200 <= answer.status < 300
        text = answer.body.decode("utf-8", "replace").strip() if short else ""
        return (text if _plain(text) in _BY_WORD else ""), []
    lower = {str(key).lower(): value for key, value in tree.items()}
    word = next((w for key in _STATE_KEYS if (w := _word(lower.get(key)))), "")
    listed: Any = next(
        (lower[key] for key in _LIST_KEYS if isinstance(lower.get(key), dict | list)), []
    )
    return word, list(_components(listed))[:MAX_COMPONENTS]


def _components(listed: Any) -> Iterator[dict[str, str]]:
    pairs = listed.items() if isinstance(listed, dict) else ((None, item) for item in listed)
    for name, item in pairs:
        fields = item if isinstance(item, dict) else {"status": item}
        word = _word(fields.get("status")) or _word(fields.get("state"))
        label = name if name is not None else fields.get("name")
        if word and label:
            yield {"name": str(label)[:_LONGEST_WORD], "status": word}


def _word(value: Any) -> str:
    return value.strip()[:_LONGEST_WORD] if isinstance(value, str) else ""


def _plain(word: str) -> str:
    return word.strip().strip(".!").lower().replace(" ", "_").replace("-", "_")
