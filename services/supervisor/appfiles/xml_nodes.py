"""XML as elements with their places in the bytes, and as the object that clients see.

The object has the form of xmltodict (contract rest.md 4.4): `@name` for attributes, `#text`
beside them, a list where elements of one name repeat, null where there is nothing.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from services.supervisor.appfiles.errors import bad_content
from services.supervisor.appfiles.trees import MAX_DEPTH

_TAG: Final = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ENCODING: Final = re.compile(rb"""\A<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
_UTF8: Final = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}


@dataclass(slots=True)
class Node:
    """An element: `<a>` from `start` to `inner`, its content to `close`, `</a>` to `end`."""

    name: str
    start: int
    attributes: dict[str, str]
    inner: int = 0
    close: int = 0
    end: int = 0
    children: list["Node"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """Its own text without the white space around it, None when there is none."""
        return "".join(self.pieces).strip() or None

    @property
    def self_closing(self) -> bool:
        return self.inner == self.end

    def groups(self) -> dict[str, list["Node"]]:
        """Children by name."""
        found: dict[str, list[Node]] = {}
        for child in self.children:
            found.setdefault(child.name, []).append(child)
        return found


def read(data: bytes) -> Node:
    """The root element of a document in UTF-8.

    Raises:
        AppFileError: not well-formed, entities of its own, another encoding, nested too deeply.
    """
    encoding = _ENCODING.match(data)
    if encoding is not None and encoding[1].lower() not in _UTF8:
        raise bad_content("Its encoding is not UTF-8.", 1)
    try:
        _refuse_entities(data)
        return _Builder(data).root
    except DefusedXmlException:
        raise bad_content("It defines entities or refers to other files.") from None
    except (ParseError, ExpatError) as error:
        line = error.position[0] if isinstance(error, ParseError) else error.lineno
        raise bad_content(f"This is not valid XML: {ErrorString(error.code)}.", line) from None
    except (ValueError, LookupError):
        raise bad_content("This is not valid XML.") from None


def shown(node: Node) -> Any:
    """The value of an element as clients see it."""
    if not node.attributes and not node.children:
        return node.text
    value: dict[str, Any] = {f"@{key}": text for key, text in node.attributes.items()}
    for name, nodes in node.groups().items():
        values = [shown(child) for child in nodes]
        value[name] = values[0] if len(values) == 1 else values
    if node.text is not None:
        value["#text"] = node.text
    return value


def _refuse_entities(data: bytes) -> None:
    """A first pass that builds nothing: defusedxml knows what a parser must not do."""
    parser = DefusedXMLParser(target=_Nothing())
    parser.feed(data)
    parser.close()


class _Nothing:
    def close(self) -> None:
        return


class _Builder:
    """Parses at once; asks the parser where it is, and keeps names as they are written."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[Node] = []
        self.root = Node("", 0, {})
        self._expat = ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.Parse(data, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        at = self._expat.CurrentByteIndex
        node = Node(name, at, dict(attributes))
        tag = _TAG.match(self._data, at)
        node.inner = tag.end() if tag else at
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        if len(self._open) > MAX_DEPTH:
            line = self._expat.CurrentLineNumber
            raise bad_content(f"It is nested more than {MAX_DEPTH} levels deep.", line)

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        if self._data[node.inner - 2 : node.inner] == b"/>":
            node.close = node.end = node.inner
        else:
            node.close = self._expat.CurrentByteIndex
            node.end = self._data.index(b">", node.close) + 1

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].pieces.append(text)
