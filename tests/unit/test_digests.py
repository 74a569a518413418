"""Digests of weights: made once for a file, and again for any other."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from ingestd.embed import digests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A file counts as settled at once; the list grows with each file that is read."""
    monkeypatch.setattr(digests, "SETTLED_S", -1.0)
    done: list[int] = []
    real: Callable[..., object] = hashlib.file_digest

    def counted(file: object, name: str) -> object:
        done.append(1)
        return real(file, name)

    monkeypatch.setattr(digests.hashlib, "file_digest", counted)
    return done


def test_a_file_is_read_once(tmp_path: Path, reads: list[int]) -> None:
    """The second time its digest is known; without a book it is read each time."""
    file, book = tmp_path / "weights", tmp_path / "cache" / "book.json"
    file.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert [digests.sha256(file, book) for _ in range(3)] == [expected] * 3
    assert len(reads) == 1
    assert digests.sha256(file) == expected
    assert len(reads) == 2


def test_an_exchanged_file_is_read_again(tmp_path: Path, reads: list[int]) -> None:
    """Also one of the same size, whose time was set back."""
    file, book = tmp_path / "weights", tmp_path / "book.json"
    file.write_bytes(b"weights")
    digests.sha256(file, book)
    times = file.stat()
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digests.sha256(file, book) == hashlib.sha256(b"WEIGHTS").hexdigest()
    assert len(reads) == 2


def test_a_file_that_just_changed_is_not_believed(tmp_path: Path) -> None:
    """Its times might not show the next change."""
    file, book = tmp_path / "weights", tmp_path / "book.json"
    file.write_bytes(b"weights")
    digests.sha256(file, book)
    assert not book.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"PATH": 1}', '{"PATH": [1, 2]}'])
def test_a_damaged_book_is_written_anew(tmp_path: Path, reads: list[int], content: str) -> None:
    """It costs a reading, and nothing else."""
    file, book = tmp_path / "weights", tmp_path / "book.json"
    file.write_bytes(b"weights")
    book.write_text(content.replace("PATH", str(file)), "utf-8")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert digests.sha256(file, book) == expected
    assert json.loads(book.read_text("utf-8"))[str(file)][-1] == expected
    assert len(reads) == 1


def test_a_book_that_cannot_be_written_is_no_failure(tmp_path: Path, reads: list[int]) -> None:
    """Its folder is a file."""
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    for _ in range(2):
        assert digests.sha256(file, file / "book.json") == hashlib.sha256(b"weights").hexdigest()
    assert len(reads) == 2


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """As any other reader tells it."""
    with pytest.raises(FileNotFoundError):
        digests.sha256(tmp_path / "none", tmp_path / "book.json")
