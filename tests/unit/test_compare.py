"""What differs between a directory and the table: pure."""

from __future__ import annotations

import os
from collections import namedtuple
from typing import Any

import pytest

from ingestd.compare import Comparison, compare
from ingestd.ports import Fingerprint
from ingestd.watch.listing import Listing
from ingestd_state.documents import KNOWN
from ingestd_state.status import DocumentStatus

Row = namedtuple("Row", [column.name for column in KNOWN])  # noqa: PYI024 - its columns are data
AS_KNOWN = Fingerprint(1, 2, 3, 4, 5)


def row(path: bytes, **values: Any) -> Any:
    """A row of the table whose id is its path."""
    known = {
        "id": os.fsdecode(path),
        "path": path,
        "status": DocumentStatus.INDEXED.value,
        "missing_since": None,
        "device": 1,
        "inode": 2,
        "size": 3,
        "mtime_ns": 4,
        "ctime_ns": 5,
    }
    return Row(**{**known, **values})


def listing(*names: bytes, directory: bytes = b"", **more: Any) -> Listing:
    """A directory in which every file is as known."""
    return Listing(directory, [(name, AS_KNOWN) for name in names], **more)


def test_what_is_as_known_is_nothing() -> None:
    """Equal keys mean: seen, and nothing to record."""
    found = compare(listing(b"a", b"b"), [row(b"a"), row(b"b")])
    assert not found
    assert found == Comparison(seen=2)


def test_new_and_missing() -> None:
    """What only the disk has is new, with its whole path; what only the table has, missing."""
    found = compare(listing(b"new", directory=b"d"), [row(b"d/old")])
    assert found == Comparison(new=[(b"d/new", AS_KNOWN)], missing=["d/old"], seen=1)
    assert found


@pytest.mark.parametrize("part", ["device", "inode", "size", "mtime_ns", "ctime_ns"])
@pytest.mark.parametrize("value", [99, None])
def test_each_part_of_the_key_counts(part: str, value: int | None) -> None:
    """A difference in any part of the cheap key, or a part that is not known, is a change."""
    found = compare(listing(b"a"), [row(b"a", **{part: value})])
    assert found == Comparison(changed=["a"], seen=1)


def test_a_tombstone_whose_file_is_there_is_a_change() -> None:
    """A deleted file that is back is taken up again, even with the same key."""
    found = compare(listing(b"a"), [row(b"a", status="deleted", missing_since=1.0)])
    assert found == Comparison(changed=["a"], seen=1)


def test_a_missing_file_that_is_back_is_found() -> None:
    """The same file as before is only no longer missing; another one is a change."""
    found = compare(listing(b"a"), [row(b"a", missing_since=1.0)])
    assert found == Comparison(found=["a"], seen=1)
    found = compare(listing(b"a"), [row(b"a", missing_since=1.0, size=9)])
    assert found == Comparison(changed=["a"], seen=1)


@pytest.mark.parametrize("values", [{"missing_since": 1.0}, {"status": "deleted"}])
def test_what_is_known_to_be_gone_is_not_told_again(values: dict[str, Any]) -> None:
    """A file that is missing already, or a tombstone, makes no new difference."""
    assert not compare(listing(), [row(b"a", **values)])


def test_an_unreadable_directory_says_nothing() -> None:
    """What cannot be seen is not gone."""
    assert not compare(listing(unreadable="Permission denied"), [row(b"a")])


def test_a_name_that_cannot_be_looked_at_is_not_missing() -> None:
    """Entries that nobody can look at keep their documents; their neighbours do not."""
    found = compare(listing(directory=b"d", unknown=frozenset({b"a"})), [row(b"d/a"), row(b"d/b")])
    assert found == Comparison(missing=["d/b"])


@pytest.mark.parametrize("status", list(DocumentStatus))
def test_the_status_of_what_is_there_does_not_matter(status: DocumentStatus) -> None:
    """A file as known is left alone in every status, except as a tombstone."""
    found = compare(listing(b"a"), [row(b"a", status=status.value)])
    assert bool(found) is (status is DocumentStatus.DELETED)


def test_comparisons_add_up() -> None:
    """Several directories make one comparison."""
    total = compare(listing(b"a"), [row(b"b")])
    total.add(compare(listing(b"c", b"d", directory=b"x"), [row(b"x/d", size=9)]))
    assert total.seen == 3
    assert [path for path, _ in total.new] == [b"a", b"x/c"]
    assert (total.missing, total.changed) == (["b"], ["x/d"])


def test_each_file_meets_its_row_whatever_is_between() -> None:
    """Files and rows are walked through side by side, both by name, as bytes."""
    names = [b"A", b"a", b"a-b", b"a.b", b"b", b"\xff"]
    rows = [row(name) for name in (b"0", b"A", b"a.b", b"a0", b"b", b"\xfe")]
    found = compare(listing(*names), rows)
    assert [path for path, _ in found.new] == [b"a", b"a-b", b"\xff"]
    assert found.missing == ["0", "a0", "\udcfe"]
    assert (found.changed, found.found) == ([], [])


def test_a_comparison_comes_in_parts() -> None:
    """No part holds more of a kind, all parts together hold everything once, and count it once."""
    found = Comparison(
        new=[(b"%d" % n, AS_KNOWN) for n in range(5)], changed=["c"], missing=["m", "n"], seen=7
    )
    parts = list(found.parts(2))
    assert [len(part.new) for part in parts] == [2, 2, 1]
    total = Comparison()
    for part in parts:
        total.add(part)
    assert total == found
    assert [part.seen for part in Comparison(seen=3).parts(2)] == [3]
