"""What a careless writer or reader loses."""

from typing import Any

ODD = [
    "",
    "x" * 100_000,
    'quote " backslash \\ slash / newline \n return \r tab \t',
    "\x00\x01\x1f\x7f\x85\u2028\u2029\ufeff",
    "ü é 漢字 😀 \U0010ffff \uffff",
    "{} [] null true NaN -0 1e999 : , # % & = ' ; \\u0000 \\ud800",
]
"""Text that a careless writer or reader loses."""


def nested(levels: int) -> Any:
    tree: Any = "end"
    for number in range(levels):
        tree = {"k": tree} if number % 2 else [tree]
    return tree
