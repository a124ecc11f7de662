"""Files on a real disk: where they may lie, and how they are replaced."""

import os
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.supervisor.appfiles.editor import Editor, Request
from services.supervisor.appfiles.errors import AppFileError
from services.supervisor.appfiles.store import read_file, replace_file
from services.supervisor.files.place import Place
from shared.config.services import ServiceBlock
from shared.models.app_config import FileFault


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("home/run", "app/conf", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "app/conf/a.json").write_text('{"a": 1}\n')
    (tmp_path / "elsewhere/s.json").write_text('{"s": "secret"}\n')
    (tmp_path / "home/dumb_config.json").write_text("{}\n")
    (tmp_path / "home/run/x.json").write_text("{}\n")
    return tmp_path / "home"


def request_of(home: Path, file: Any, directory: Any = None, **fields: Any) -> Request:
    block = {"process_name": "App", "config_file": file, "config_dir": directory, **fields}
    service = ServiceBlock("App", "app", "", ("apps", "instances", "One"), block, False)
    return Request(
        service, {"dumb_home": str(home)}, home, (home / "dumb_config.json", home / "run")
    )


def fault(request: Request, update: Any = None) -> FileFault:
    def attempt() -> None:
        if update is None:
            Editor().read(request)
        else:
            Editor().update(request, update)

    with pytest.raises(AppFileError) as caught:
        attempt()
    return caught.value.fault


def test_reading_and_writing(home: Path) -> None:
    file = home.parent / "app/conf/a.json"
    file.chmod(0o640)
    request, editor = request_of(home, str(file)), Editor()
    assert orjson.loads(editor.read(request)) == {
        "service": "App",
        "service_path": "apps.instances.One",
        "config_format": "json",
        "config": {"a": 1},
        "raw": '{"a": 1}\n',
    }
    assert editor.update(request, {"a": 2})
    assert file.read_text() == '{"a": 2}\n'
    backup = file.with_name("a.json.bak")
    assert backup.read_text() == '{"a": 1}\n'
    assert [p.stat().st_mode & 0o777 for p in (file, backup)] == [0o640, 0o640]
    assert sorted(p.name for p in file.parent.iterdir()) == ["a.json", "a.json.bak"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(home: Path) -> None:
    file = home.parent / "app/conf/a.json"
    os.chown(file, 1234, 2345)
    assert Editor().update(request_of(home, str(file)), {"a": 2})
    for path in (file, file.with_name("a.json.bak")):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_nothing_to_change_writes_nothing(home: Path) -> None:
    file = home.parent / "app/conf/a.json"
    before = (file.stat().st_mtime_ns, file.stat().st_ino)
    for update in ({"a": 1}, {"a": 1.0}, '{"a": 1}'):
        assert not Editor().update(request_of(home, str(file)), update)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    assert not file.with_name("a.json.bak").exists()


def test_where_a_file_may_lie(home: Path) -> None:
    top = home.parent
    conf, editor = top / "app/conf", Editor()
    (conf / "link.json").symlink_to("a.json")
    (top / "app/up.json").write_text("{}")
    (conf / "up.json").symlink_to(top / "app/up.json")
    (top / "linked").symlink_to(top / "app")
    good = [
        (conf / "a.json", None),
        (conf / "link.json", None),  # stays in the directory
        (conf / "up.json", top / "app"),  # stays in config_dir
        (top / "linked/conf/a.json", None),  # the directory is taken as it is written
    ]
    for file, directory in good:
        assert b'"json"' in editor.read(request_of(home, str(file), str(directory or "")))
    (home / "below").mkdir()
    (home / "below/b.json").write_text("{}")
    assert editor.read(request_of(home, "below/b.json"))
    assert editor.read(request_of(home, "{config_dir}/a.json", str(conf)))
    assert editor.read(request_of(home, "{dumb_home}/below/b.json"))


def test_a_link_is_kept_and_its_target_written(home: Path) -> None:
    conf = home.parent / "app/conf"
    (conf / "link.json").symlink_to("a.json")
    assert Editor().update(request_of(home, str(conf / "link.json")), {"a": 2})
    assert (conf / "link.json").is_symlink()
    assert (conf / "a.json").read_text() == '{"a": 2}\n'


def test_where_a_file_may_not_lie(home: Path) -> None:
    top, conf = home.parent, home.parent / "app/conf"
    (conf / "out.json").symlink_to(top / "elsewhere/s.json")
    (conf / "outdir").symlink_to(top / "elsewhere")
    (conf / "loop.json").symlink_to("loop.json")
    (conf / "own.json").symlink_to(home / "dumb_config.json")
    (conf / "dir.json").mkdir()
    os.mkfifo(conf / "fifo.json")
    (conf / "dev.json").symlink_to("/dev/zero")
    for file, directory in [
        (conf / "out.json", conf),
        (f"{conf}/../../elsewhere/s.json", conf),
        ("../elsewhere/s.json", conf),
        ("{up}/elsewhere/s.json", conf),
        (conf / "own.json", home),
        (home / "dumb_config.json", home),
        (home / "run/x.json", None),
        (conf / "dir.json", None),
        (conf / "fifo.json", None),
        (conf / "dev.json", None),
        ("a\0.json", None),
    ]:
        request = request_of(home, str(file), str(directory or ""), up="..")
        assert fault(request) is FileFault.OUTSIDE, file
        assert fault(request, {"a": 1}) is FileFault.OUTSIDE, file
    assert (top / "elsewhere/s.json").read_text() == '{"s": "secret"}\n'
    assert fault(request_of(home, str(conf / "loop.json"))) in {
        FileFault.OUTSIDE,
        FileFault.MISSING,
    }


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        (None, FileFault.NOT_NAMED),
        ("", FileFault.NOT_NAMED),
        (7, FileFault.NOT_NAMED),
        ("gone.json", FileFault.MISSING),
        ("gone/gone.json", FileFault.MISSING),
        ("a.txt", FileFault.UNSUPPORTED),
        ("a", FileFault.UNSUPPORTED),
    ],
)
def test_what_cannot_be_read(home: Path, file: Any, wanted: FileFault) -> None:
    (home / "a.txt").touch()
    (home / "a").touch()
    assert fault(request_of(home, file)) is wanted


def test_a_file_of_more_than_4_mib(home: Path) -> None:
    file = home.parent / "app/conf/a.json"
    file.write_bytes(b'{"a": "' + b"x" * (5 << 20) + b'"}')
    assert fault(request_of(home, str(file))) is FileFault.TOO_LARGE
    assert fault(request_of(home, str(file)), {"a": 1}) is FileFault.TOO_LARGE
    file.write_bytes(b"{}")
    assert fault(request_of(home, str(file)), {"a": "x" * (5 << 20)}) is FileFault.TOO_LARGE
    assert file.read_bytes() == b"{}"


def test_a_file_that_changes_meanwhile_is_left_alone(home: Path) -> None:
    file = home.parent / "app/conf/a.json"
    old = read_file(Place(file, links=False))
    file.write_text('{"a": "by the application"}\n')
    with pytest.raises(AppFileError) as caught:
        replace_file(Place(file, links=False), old, b"{}")
    assert caught.value.fault is FileFault.CHANGED
    assert file.read_text() == '{"a": "by the application"}\n'


def test_a_link_put_in_the_way_after_the_check_is_not_followed(home: Path) -> None:
    top = home.parent
    file = top / "app/conf/a.json"
    old = read_file(Place(file, links=False))
    (top / "app/conf").rename(top / "app/old")
    (top / "app/conf").symlink_to(top / "elsewhere")
    (top / "elsewhere/a.json").write_text("{}")
    for attempt in (
        lambda: read_file(Place(file, links=False)),
        lambda: replace_file(Place(file, links=False), old, b"[]"),
    ):
        with pytest.raises(AppFileError) as caught:
            attempt()
        assert caught.value.fault is FileFault.OUTSIDE
    assert sorted(p.name for p in (top / "elsewhere").iterdir()) == ["a.json", "s.json"]


def test_a_disk_that_refuses_leaves_the_old_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.parent / "app/conf/a.json"

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert fault(request_of(home, str(file)), {"a": 2}) is FileFault.DISK
    assert [(p.name, p.read_text()) for p in file.parent.iterdir()] == [("a.json", '{"a": 1}\n')]


def test_updates_of_one_file_take_turns(home: Path) -> None:
    file, editor = home.parent / "app/conf/a.json", Editor()
    (home.parent / "app/conf/link.json").symlink_to("a.json")
    names = ["a.json", "link.json"]

    def work(number: int) -> None:
        path = file.with_name(names[number % 2])
        for turn in range(5):
            editor.update(request_of(home, str(path)), {f"k{number}": turn})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert orjson.loads(file.read_bytes()) == {"a": 1, **{f"k{n}": 4 for n in range(6)}}
