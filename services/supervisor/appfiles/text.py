"""From bytes to text and back, keeping the byte order mark and the ends of lines. Pure."""

import codecs
import re
from dataclasses import dataclass
from typing import Final

from services.supervisor.appfiles.errors import bad_content

_LONE: Final = re.compile(r"\r(?!\n)|(?<!\r)\n")
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text. `crlf`: every line ends so on disk, and `text` has plain newlines."""

    text: str
    bom: bool = False
    crlf: bool = False

    @classmethod
    def decode(cls, data: bytes) -> "Document":
        """Raises `AppFileError`: not UTF-8, or a NUL in it."""
        bom = data.startswith(codecs.BOM_UTF8)
        try:
            text = data.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise bad_content("The file is not UTF-8.", line) from None
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise bad_content("There is a NUL in the file.", line)
        crlf = "\r\n" in text and _LONE.search(text) is None
        return cls(text.replace("\r\n", "\n") if crlf else text, bom, crlf)

    @property
    def raw(self) -> str:
        """The text as it is on disk, without the mark."""
        return self.text.replace("\n", "\r\n") if self.crlf else self.text

    def encode(self, text: str) -> bytes:
        """Another text with this one's mark and line ends. Raises `AppFileError`."""
        if self.crlf:
            text = text.replace("\n", "\r\n")
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise bad_content("A string holds half of a surrogate pair.") from None
        return codecs.BOM_UTF8 + data if self.bom else data

    def taken(self, text: str) -> str:
        """A text that a client sent for the whole file, with line ends as in `text`.

        Raises:
            AppFileError: a NUL or half of a surrogate pair in it.
        """
        text = text.removeprefix("\ufeff")
        if "\0" in text:
            raise bad_content("There is a NUL in the text.")
        if self.crlf:
            text = text.replace("\r\n", "\n")
        self.encode(text)
        return text


def lines_of(text: str) -> list[str]:
    """Lines with their ends. Only a newline ends one: U+2028 and the like are text."""
    return _LINES.findall(text)


def ending_of(line: str) -> str:
    """How a line ends."""
    if line.endswith("\r\n"):
        return "\r\n"
    return "\n" if line.endswith("\n") else ""


def ended(lines: list[str]) -> None:
    """See that the last line has an end, so that one may follow."""
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += ending_of(lines[0]) or "\n"
