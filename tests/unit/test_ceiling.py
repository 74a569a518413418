"""The bound of what a file may grow to, where a Chroma serves the directory meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.chroma import ceiling
from ingestd.embed.chroma.aside import FOLDER, WORK
from ingestd.embed.chroma.health import DATABASE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bounds that are imposed, kept from this process."""
    found: list[int] = []
    monkeypatch.setattr(ceiling, "LEAST", 0)
    monkeypatch.setattr(ceiling.resource, "setrlimit", lambda _which, pair: found.append(pair[0]))
    monkeypatch.setattr(ceiling.signal, "signal", lambda _number, _action: None)
    return found


def test_the_largest_file_counts_but_none_that_was_set_aside(
    tmp_path: Path, bounds: list[int]
) -> None:
    """A file in the folder of an index counts; what is built beside has the bound of the whole."""
    for name, size in {
        DATABASE: 10,
        "an-index/data_level0.bin": 50,
        f"{FOLDER}/an-index/link_lists.bin": 900,
        f"{WORK}/build-1/{DATABASE}": 700,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    ceiling.impose(tmp_path)
    ceiling.impose(tmp_path / WORK / "build-1")
    assert bounds == [50 * ceiling.GROWTH] * 2


def test_files_may_go_while_they_are_looked_at(tmp_path: Path, bounds: list[int]) -> None:
    """Chroma's journal comes and goes with each write, folders of indexes with collections."""
    (tmp_path / DATABASE).write_bytes(bytes(10))
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            for place in (tmp_path, tmp_path / "an-index"):
                place.mkdir(exist_ok=True)
                (place / f"{DATABASE}-journal").touch()
                (place / f"{DATABASE}-journal").unlink()
            (tmp_path / "an-index").rmdir()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2_000):
            ceiling.impose(tmp_path)
    finally:
        done.set()
        writer.join()
    assert bounds == [10 * ceiling.GROWTH] * 2_000
