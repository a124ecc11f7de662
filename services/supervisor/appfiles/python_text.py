"""Python: its literal assignments are read; it is replaced as a whole, when it compiles.

It is never executed here.
"""

import ast
import math
from typing import Any, Final

from services.supervisor.appfiles.errors import AppFileError, bad_content, bad_update

_FAULTS: Final = (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError)
_INT64: Final = 1 << 63


def parse(text: str) -> dict[str, Any]:
    """Every `NAME = literal` at the top level that JSON can show. Raises `AppFileError`."""
    found: dict[str, Any] = {}
    for statement in _tree(text).body:
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        target = statement.targets[0]
        if not isinstance(target, ast.Name) or target.id.startswith("__"):
            continue
        try:
            found[target.id] = _plain(ast.literal_eval(statement.value))
        except _FAULTS + (TypeError,):  # noqa: RUF005 -- no literal, or none that JSON has
            found.pop(target.id, None)
    return found


def edit(_text: str, _update: dict[str, Any]) -> str:
    """Refused: nothing can say how an object becomes code."""
    raise bad_update(
        "A Python file is a program: single values cannot be set in it without risking the rest. "
        "Send the whole new text of the file as a string."
    )


def replace(_text: str, given: str) -> str:
    """The new text. Raises `AppFileError` when it does not compile."""
    _tree(given)
    try:
        compile(given, "config", "exec", dont_inherit=True)
    except _FAULTS as error:
        raise _not_python(error) from None
    return given


def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except _FAULTS as error:
        raise _not_python(error) from None


def _not_python(error: BaseException) -> AppFileError:
    if isinstance(error, SyntaxError):
        return bad_content("This is not valid Python.", error.lineno)
    return bad_content("This is not valid Python.")


def _plain(value: Any) -> Any:
    """A literal as JSON has it. Raises `TypeError` for what JSON has not."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("keys")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TypeError(type(value).__name__)
