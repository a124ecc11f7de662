"""XML: only the elements and attributes that change are written.

So the declaration, comments, indentation and the rest of the file stay as they are.
"""

import re
from typing import Any, Final
from xml.sax.saxutils import escape

from services.supervisor.appfiles import json_text
from services.supervisor.appfiles.errors import bad_update
from services.supervisor.appfiles.trees import as_text, require, same
from services.supervisor.appfiles.xml_nodes import Node, read, shown

_ATTRIBUTE: Final = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_NAME: Final = re.compile(r"[^\W\d][\w.:-]*")
_IN_TEXT: Final = {"\r": "&#13;"}
_IN_ATTRIBUTE: Final = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;", '"': "&quot;", "'": "&apos;"}
_USUAL: Final = "  "

Patch = tuple[int, int, str]


def parse(text: str) -> dict[str, Any]:
    """`{"Config": {"Port": "1"}}`. Raises `AppFileError`."""
    root = read(text.encode())
    return {root.name: shown(root)}


def edit(text: str, update: dict[str, Any]) -> str:
    """Merge `update` into the root element; one that names the root replaces what is in it.

    Raises:
        AppFileError: it is no such document, or XML cannot hold the update.
    """
    data = text.encode()
    root = read(data)
    current = shown(root)
    if root.name in update:
        if len(update) > 1:
            raise bad_update(f"An XML file has one root element, here '{root.name[:100]}'.")
        asked = _checked(update[root.name])
    else:
        if current is not None and not isinstance(current, dict):
            raise bad_update("The root element holds text, so nothing can be merged into it.")
        asked = _checked({**(current or {}), **update})
    if same(current, asked):
        return text
    editor = _Editor(data, root)
    editor.change(root, current, asked)
    new = editor.result().decode()
    require(parse(new), {root.name: asked})
    return new


def replace(text: str, given: str) -> str:
    """A whole new document, or the text of a JSON object to merge. Raises `AppFileError`."""
    if given.lstrip().startswith("{"):
        update = json_text.parse(given)
        if not isinstance(update, dict):
            raise bad_update("The text must be XML or one JSON object.")
        return edit(text, update)
    parse(given)
    return given


def _checked(value: Any) -> Any:
    """An update in the form in which it would be read back."""
    if not isinstance(value, dict):
        text = as_text(value)
        return None if text is None else text.strip() or None
    found: dict[str, Any] = {}
    for key, item in value.items():
        if _NAME.fullmatch(key.removeprefix("@")) is None and key != "#text":
            raise bad_update("A name in the update cannot be the name of an XML element.")
        if key.startswith("@"):
            found[key] = as_text(item) or ""
        elif isinstance(item, list):
            items = [_checked(one) for one in item]
            if items:
                found[key] = items[0] if len(items) == 1 else items
        elif key != "#text" or _checked(item) is not None:
            found[key] = _checked(item)
    if found.keys() == {"#text"}:
        return found["#text"]
    return found or None


class _Editor:
    """Collects patches and applies them from the end."""

    def __init__(self, data: bytes, root: Node) -> None:
        self._data = data
        self._patches: list[Patch] = []
        first = root.children[0] if root.children else None
        pad = self._pad(first) if first else None
        self._unit = pad.removeprefix(self._pad(root) or "") if pad is not None else _USUAL
        self._lines = first is None or pad is not None

    def result(self) -> bytes:
        data = self._data
        for begin, end, new in sorted(self._patches, key=lambda p: p[:2], reverse=True):
            data = data[:begin] + new.encode() + data[end:]
        return data

    def change(self, node: Node, old: Any, new: Any) -> None:
        """Make `node`, which says `old`, say `new`."""
        if same(old, new):
            return
        was, becomes = _parts(old), _parts(new)
        self._attributes(node, was, becomes)
        texts = (was.get("#text"), becomes.get("#text"))
        wanted = {k: v for k, v in becomes.items() if k[0] not in "@#"}
        if node.children and (wanted or texts[0] is not None):
            if texts[0] != texts[1]:
                raise bad_update("Text between elements cannot be changed here.")
            self._children(node, wanted)
        elif wanted or node.children or texts[0] != texts[1]:
            self._content(node, texts[1], wanted)

    def _attributes(self, node: Node, was: dict[str, Any], becomes: dict[str, Any]) -> None:
        at = node.start + 1 + len(node.name.encode())
        while match := _ATTRIBUTE.match(self._data, at, node.inner):
            at = match.end()
            key = "@" + match[1].decode()
            if key not in becomes:
                self._patches.append((match.start(), at, ""))
            elif becomes[key] != was.get(key):
                quote = match[2][:1].decode()
                spelled = quote + escape(becomes[key], _IN_ATTRIBUTE) + quote
                self._patches.append((match.start(2), at, spelled))
        added = [key for key in becomes if key[0] == "@" and key not in was]
        if added:
            text = "".join(f' {k[1:]}="{escape(becomes[k], _IN_ATTRIBUTE)}"' for k in added)
            self._patches.append((at, at, text))

    def _content(self, node: Node, text: str | None, wanted: dict[str, Any]) -> None:
        """Write everything between the tags anew."""
        pad = self._pad(node) or ""
        inner = escape(text or "", _IN_TEXT)
        for name, value in wanted.items():
            inner += self._rendered(name, value, pad + self._unit)
        if wanted and self._lines:
            inner += "\n" + pad
        if node.self_closing:
            if inner:
                end = self._data.rindex(b"/", node.start, node.end)
                while self._data[end - 1 : end].isspace():
                    end -= 1
                self._patches.append((end, node.end, f">{inner}</{node.name}>"))
        else:
            self._patches.append((node.inner, node.close, inner))

    def _children(self, node: Node, wanted: dict[str, Any]) -> None:
        groups = node.groups()
        pad = self._pad(node.children[0])
        if pad is None:
            pad = (self._pad(node) or "") + self._unit
        for name, nodes in groups.items():
            values = _as_list(wanted[name]) if name in wanted else []
            for child, value in zip(nodes, values, strict=False):
                self.change(child, shown(child), value)
            for child in nodes[len(values) :]:
                self._patches.append((self._line_start(child), child.end, ""))
            self._insert(nodes[-1].end, name, values[len(nodes) :], pad)
        for name, value in wanted.items():
            if name not in groups:
                self._insert(node.children[-1].end, name, _as_list(value), pad)

    def _insert(self, at: int, name: str, values: list[Any], pad: str) -> None:
        if values:
            text = "".join(self._rendered(name, value, pad) for value in values)
            self._patches.append((at, at, text))

    def _rendered(self, name: str, value: Any, pad: str) -> str:
        """New elements of one name, each on a line of its own if the others are."""
        lead = "\n" + pad if self._lines else ""
        return "".join(lead + self._element(name, item, pad) for item in _as_list(value))

    def _element(self, name: str, value: Any, pad: str) -> str:
        parts = _parts(value)
        head = name + "".join(
            f' {key[1:]}="{escape(item, _IN_ATTRIBUTE)}"'
            for key, item in parts.items()
            if key[0] == "@"
        )
        inner = escape(parts.get("#text") or "", _IN_TEXT)
        children = {key: item for key, item in parts.items() if key[0] not in "@#"}
        for key, item in children.items():
            inner += self._rendered(key, item, pad + self._unit)
        if children and self._lines:
            inner += "\n" + pad
        return f"<{head}>{inner}</{name}>" if inner else f"<{head} />"

    def _pad(self, node: Node) -> str | None:
        """The white space before a node on its line, None when something else stands there."""
        before = self._data[self._data.rfind(b"\n", 0, node.start) + 1 : node.start]
        return None if before.strip() else before.decode()

    def _line_start(self, node: Node) -> int:
        """Where to cut for a node to go with its line."""
        if self._pad(node) is None:
            return node.start
        at = self._data.rfind(b"\n", 0, node.start)
        return max(at - 1 if self._data[at - 1 : at] == b"\r" else at, 0)


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"#text": value}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
