"""Output of a service that ends while no supervisor runs."""

import os
from pathlib import Path

import pytest

from services.launcher.fifos import Fifos


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "services" / "Some Service" / "3" / "out.fifo"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    return path


def _write_and_close(fifo: Path) -> None:
    fd = os.open(fifo, os.O_RDWR)
    os.write(fd, b"last words\n")
    os.close(fd)


def _read(fifo: Path) -> bytes:
    fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        return os.read(fd, 100)
    except BlockingIOError:
        return b""
    finally:
        os.close(fd)


def test_bytes_outlive_their_writer_while_held(tmp_path: Path, fifo: Path) -> None:
    fifos = Fifos(tmp_path)
    fifos.hold()
    _write_and_close(fifo)
    assert _read(fifo) == b"last words\n"
    fifos.release()


def test_released_fifos_are_closed(tmp_path: Path, fifo: Path) -> None:
    fifos = Fifos(tmp_path)
    fifos.hold()
    fifos.release()
    _write_and_close(fifo)
    assert _read(fifo) == b""


def test_nothing_to_hold(tmp_path: Path) -> None:
    fifos = Fifos(tmp_path / "absent")
    fifos.hold()
    fifos.release()
