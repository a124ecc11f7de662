"""What an update leaves as it was: all that it does not name."""

import random
from typing import Any

import pytest

from services.supervisor.appfiles.formats import (
    INI,
    JSON,
    POSTGRESQL,
    PYTHON,
    RCLONE,
    XML,
    YAML,
    Format,
)
from services.supervisor.appfiles.text import Document
from services.supervisor.appfiles.trees import same

JSON_TEXT = """{
  "version": 1.10,
  "auth": {"user": "x", "accent": "\\u00e9"},
  "list": [1,2],
  "deep": {
    "port": 8080,
    "empty": {}
  }
}
"""
YAML_TEXT = """---
# who may come in
auth:
  user: 'x'   # single
  pass: "p w"

# what is served
mounts:
  - /a   # one
  - "/b"

nothing: ~
base: &base {retry: 3}
fast:
  <<: *base
  retry: 1
when: 2020-01-01
text: |
  line 1
  line 2
"""
INI_TEXT = """; Tautulli
[General]
# where it listens
http_port = 8181
http_host: 0.0.0.0
Api%Key = a;b
many = one
    two

[PMS]
token=
"""
RCLONE_TEXT = """[RD]
type = webdav
url = http://zurg:9090/dav
# slow
pacer_min_sleep = 0
"""
POSTGRES_TEXT = """# PostgreSQL
listen_addresses = '*'    # all
port = 5432
max_connections=100\t\t# change requires restart
#shared_buffers = 1MB
log_line_prefix '%m [%p] it''s '
include_dir 'conf.d'
"""
XML_TEXT = """<?xml version="1.0" encoding="utf-8"?>
<!-- Sonarr -->
<Config xmlns:x="urn:x">
  <Port>8989</Port> <!-- web -->
  <ApiKey>abc&amp;d</ApiKey>
  <Empty />
  <x:Url></x:Url>
  <Rules>
    <Rule id='1'>first</Rule>
    <Rule id="2"/>
  </Rules>
</Config>
"""
PYTHON_TEXT = """import os

SERVER = "0.0.0.0"  # all
PORT = 5050
__all__ = []
SALT = os.urandom(3)
PATHS = {"a": (1, 2)}
"""
FILES: dict[str, tuple[Format, str]] = {
    form.name: (form, text)
    for form, text in (
        (JSON, JSON_TEXT),
        (YAML, YAML_TEXT),
        (INI, INI_TEXT),
        (RCLONE, RCLONE_TEXT),
        (POSTGRESQL, POSTGRES_TEXT),
        (XML, XML_TEXT),
        (PYTHON, PYTHON_TEXT),
    )
}
EDITABLE = [name for name in FILES if name != "python"]

PARSED: dict[str, Any] = {
    "json": {
        "version": 1.1,
        "auth": {"user": "x", "accent": "é"},
        "list": [1, 2],
        "deep": {"port": 8080, "empty": {}},
    },
    "yaml": {
        "auth": {"user": "x", "pass": "p w"},
        "mounts": ["/a", "/b"],
        "nothing": None,
        "base": {"retry": 3},
        "fast": {"retry": 1},
        "when": "2020-01-01",
        "text": "line 1\nline 2\n",
    },
    "ini": {
        "General": {
            "http_port": "8181",
            "http_host": "0.0.0.0",  # noqa: S104
            "Api%Key": "a;b",
            "many": "one\ntwo",
        },
        "PMS": {"token": ""},
    },
    "rclone": {
        "RD": {"type": "webdav", "url": "http://zurg:9090/dav", "pacer_min_sleep": "0"},
    },
    "postgresql": {
        "listen_addresses": "*",
        "port": "5432",
        "max_connections": "100",
        "log_line_prefix": "%m [%p] it's ",
        "include_dir": "conf.d",
    },
    "xml": {
        "Config": {
            "@xmlns:x": "urn:x",
            "Port": "8989",
            "ApiKey": "abc&d",
            "Empty": None,
            "x:Url": None,
            "Rules": {"Rule": [{"@id": "1", "#text": "first"}, {"@id": "2"}]},
        }
    },
    "python": {"SERVER": "0.0.0.0", "PORT": 5050, "PATHS": {"a": [1, 2]}},  # noqa: S104
}

# Format, update, then what is replaced in its text: old and new, as pairs.
CHANGES: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("json", {"deep": {"port": 9, "empty": {}}}, [('"port": 8080', '"port": 9')]),
    ("json", {"list": []}, [("[1,2]", "[]")]),
    ("json", {"new": {"a": [True]}}, [("  }\n}", '  },\n  "new": {\n    "a": [\n      true\n    ]\n  }\n}')]),  # noqa: E501
    ("json", {"auth": {"user": "x", "accent": "é", "z": None}}, [('00e9"}', '00e9", "z": null}')]),
    ("json", {"deep": {"port": 8080, "empty": {"k": 1}}}, [('"empty": {}', '"empty": {\n      "k": 1\n    }')]),  # noqa: E501
    ("json", {"version": True}, [("1.10", "true")]),
    ("yaml", {"auth": {"user": "it's", "pass": "p w"}}, [("'x'   #", "'it''s' #")]),
    ("yaml", {"auth": {"user": "x", "pass": 'a"b'}}, [('"p w"', '"a\\"b"')]),
    ("yaml", {"auth": {"user": "x", "pass": "p w", "on": True}}, [('"p w"\n', '"p w"\n  on: true\n')]),  # noqa: E501
    ("yaml", {"mounts": ["/a", "/b", "/c"]}, [('"/b"\n', '"/b"\n  - /c\n')]),
    ("yaml", {"mounts": ["/z", "/b"]}, [("- /a ", "- /z ")]),
    ("yaml", {"fast": {"retry": 2}}, [("retry: 1", "retry: 2")]),
    ("yaml", {"nothing": "yes: no"}, [("~", "'yes: no'")]),
    ("yaml", {"text": "a\n\nb\n"}, [("line 1\n  line 2", "a\n\n  b")]),
    ("yaml", {"end": {"k": [1]}}, [("  line 2\n", "  line 2\nend:\n  k:\n    - 1\n")]),
    ("ini", {"PMS": {"token": "t%k"}}, [("token=", "token=t%k")]),
    ("ini", {"PMS": {"token": "", "Ssl": True}}, [("token=\n", "token=\nSsl=true\n")]),
    ("ini", {"New": {"a": 1}}, [("token=\n", "token=\n\n[New]\na = 1\n")]),
    (
        "ini",
        {"General": PARSED["ini"]["General"] | {"http_host": "::", "many": "1\n2"}},
        [("http_host: 0.0.0.0", "http_host: ::"), ("many = one\n    two", "many = 1\n\t2")],
    ),
    ("ini", {"General": {"http_port": "8181"}}, [
        ("http_host: 0.0.0.0\n", ""), ("Api%Key = a;b\n", ""), ("many = one\n    two\n", ""),
    ]),
    ("rclone", {"RD": PARSED["rclone"]["RD"] | {"URL": "x"}}, [("http://zurg:9090/dav", "x")]),
    ("rclone", {"AD": {"Type": "s3"}}, [("sleep = 0\n", "sleep = 0\n\n[AD]\ntype = s3\n")]),
    ("postgresql", {"port": 5433}, [("port = 5432", "port = 5433")]),
    ("postgresql", {"PORT": "5433"}, [("port = 5432", "port = 5433")]),
    ("postgresql", {"listen_addresses": "a'b\\"}, [("'*'    #", "'a''b\\\\'    #")]),
    ("postgresql", {"max_connections": 5}, [("=100\t\t#", "=5\t\t#")]),
    ("postgresql", {"fsync": False, "x.y": "a b"}, [
        ("include_dir 'conf.d'\n", "include_dir 'conf.d'\nfsync = off\nx.y = 'a b'\n"),
    ]),
    ("xml", {"Port": 9}, [("8989", "9")]),
    ("xml", {"ApiKey": "<&>"}, [("abc&amp;d", "&lt;&amp;&gt;")]),
    ("xml", {"Empty": "e"}, [("<Empty />", "<Empty>e</Empty>")]),
    ("xml", {"x:Url": True}, [("<x:Url></x:Url>", "<x:Url>true</x:Url>")]),
    ("xml", {"Rules": {"Rule": [{"@id": "1", "#text": "first"}, {"@id": '"', "@b": "2"}]}}, [
        ('id="2"/', 'id="&quot;" b="2"/'),
    ]),
    ("xml", {"Rules": {"Rule": {"@id": "1", "#text": "first"}}}, [('\n    <Rule id="2"/>', "")]),
    ("xml", {"Rules": {"Rule": [*PARSED["xml"]["Config"]["Rules"]["Rule"], "third"]}}, [
        ('<Rule id="2"/>', '<Rule id="2"/>\n    <Rule>third</Rule>'),
    ]),
    ("xml", {"New": {"A": {"@k": "v"}, "B": None}}, [
        ("  </Rules>", '  </Rules>\n  <New>\n    <A k="v" />\n    <B />\n  </New>'),
    ]),
    ("xml", {"Config": {**PARSED["xml"]["Config"], "Port": "1"}}, [("8989", "1")]),
]  # fmt: skip


def updated(form: Format, data: bytes, update: Any) -> bytes:
    document = Document.decode(data)
    return document.encode(form.updated(document, update))


@pytest.mark.parametrize("name", FILES)
def test_what_is_read(name: str) -> None:
    form, text = FILES[name]
    assert form.shown(Document.decode(text.encode())) == PARSED[name]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_an_update_changes_what_it_names_and_nothing_else(
    number: int, bom: bytes, ending: str
) -> None:
    name, update, changes = CHANGES[number]
    form, text = FILES[name]
    expected = text
    for old, new in changes:
        assert expected.count(old) == 1, old
        expected = expected.replace(old, new)

    def on_disk(content: str) -> bytes:
        return bom + content.replace("\n", ending).encode()

    found = updated(form, on_disk(text), update)
    assert found == on_disk(expected)
    assert updated(form, found, update) == found


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", EDITABLE)
def test_updating_nothing_changes_nothing(name: str, ending: str) -> None:
    """Whatever part of what was read comes back; that is what a frontend does."""
    form, text = FILES[name]
    data = text.replace("\n", ending).encode()
    shown = form.shown(Document.decode(data))
    assert updated(form, data, shown) == data
    root = shown["Config"] if name == "xml" else shown
    chooser = random.Random(name)
    for _ in range(50):
        keys = chooser.sample(sorted(root), chooser.randint(0, len(root)))
        assert updated(form, data, {key: root[key] for key in keys}) == data


@pytest.mark.parametrize("name", FILES)
def test_the_whole_text_sent_back_changes_nothing(name: str) -> None:
    form, text = FILES[name]
    for data in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()):
        document = Document.decode(data)
        assert updated(form, data, document.raw) == data
        assert updated(form, data, document.text) == data


@pytest.mark.parametrize("name", ["json", "yaml"])
def test_random_updates_read_back_as_asked(name: str) -> None:
    """Any tree that JSON can hold, on top of any other one."""
    form, text = FILES[name]
    chooser = random.Random(name)
    for _ in range(25):
        document = Document.decode(text.encode())
        update = {chooser.choice("abcd: #'-é"): _tree(chooser, 3) for _ in range(3)}
        before = form.parse(document.text)
        text = form.updated(document, update)
        assert same(form.parse(text), {**before, **update}), (update, text)


def _tree(chooser: random.Random, depth: int) -> Any:
    kind = chooser.randint(0, 8 if depth else 6)
    words = [
        "",
        "yes",
        "null",
        "1",
        "~",
        "a: b",
        "# no",
        "x\ny",
        " lead",
        "trail ",
        "'\"",
        "é☃",
        "-",
    ]
    if kind < 4:
        return chooser.choice(words)
    if kind < 7:
        return chooser.choice([None, True, False, 0, -1, 1.5, 10**17])
    if kind == 7:
        return [_tree(chooser, depth - 1) for _ in range(chooser.randint(0, 3))]
    return {chooser.choice("abcd: #'-é"): _tree(chooser, depth - 1) for _ in range(3)}


def test_text_is_merged_into_json_and_yaml_and_replaces_the_others() -> None:
    assert updated(JSON, b'{"a": 1, "b": 2}\n', '{"b": 3}') == b'{"a": 1, "b": 3}\n'
    assert updated(YAML, b"a: 1 # c\nb: 2\n", "b: 3") == b"a: 1 # c\nb: 3\n"
    assert updated(XML, b"<a><b>1</b></a>", '{"b": 2}') == b"<a><b>2</b></a>"
    assert updated(XML, b"<a>\r\n</a>", "<c>\n</c>") == b"<c>\r\n</c>"
    assert updated(INI, b"[a]\nb=1\n", "[c]\n") == b"[c]\n"
    assert updated(POSTGRESQL, b"a = 1\n", "b = 2\n") == b"b = 2\n"
    assert updated(PYTHON, b"A = 1\n", "import os\n") == b"import os\n"


def test_an_alias_is_not_changed_through_the_other_name() -> None:
    text = b"one: &a\n  k: 1\ntwo: *a\n"
    assert YAML.parse(updated(YAML, text, {"two": {"k": 2}}).decode()) == {
        "one": {"k": 1},
        "two": {"k": 2},
    }
    assert YAML.parse(updated(YAML, text, {"one": {"k": 2}}).decode()) == {
        "one": {"k": 2},
        "two": {"k": 1},
    }


@pytest.mark.parametrize("text", ["", "# only this\n", "---\n", "{}\n", "null"])
def test_an_empty_yaml_file_can_be_begun(text: str) -> None:
    new = updated(YAML, text.encode(), {"a": {"b": [1]}}).decode()
    assert YAML.parse(new) == {"a": {"b": [1]}}
    assert not text.startswith("#") or new.startswith(text)


def test_plex_keeps_all_in_attributes() -> None:
    text = b'<?xml version="1.0" encoding="utf-8"?>\n<Preferences A="1" B=\'2\' C="x &amp; y"/>\n'
    assert XML.parse(text.decode()) == {"Preferences": {"@A": "1", "@B": "2", "@C": "x & y"}}
    new = updated(XML, text, {"@B": "3", "@D": "\n"})
    assert new == text.replace(b"'2'", b"'3'").replace(b'y"/>', b'y" D="&#10;"/>')
