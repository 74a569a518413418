"""Which source a path belongs to, from what a person typed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.cli.places import Place, find, outermost, place_of
from ingestd_state.sources import Source
from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    import pytest


def source(number: int, root: Path, status: SourceStatus = SourceStatus.ONLINE) -> Source:
    """A row of the sources table."""
    path = os.fsencode(root)
    return Source(number, root.name, path, "c", status, "", "{}", None, True, None)


def nothing_known(_place: Place) -> bool:
    """A state table without documents."""
    return False


def test_the_longest_root_wins(tmp_path: Path) -> None:
    """Of two sources above a path, the inner one has it."""
    outer, inner = source(1, tmp_path), source(2, tmp_path / "in")
    place = place_of(os.fsencode(tmp_path / "in" / "a.md"), [outer, inner])
    assert place == Place(inner, b"a.md")
    assert place_of(os.fsencode(tmp_path / "inside.md"), [outer, inner]) == Place(
        outer, b"inside.md"
    )


def test_of_equal_roots_the_configured_one_wins(tmp_path: Path) -> None:
    """A source that is no longer configured gives way to one with the same folder."""
    old, new = source(1, tmp_path, SourceStatus.DETACHED), source(2, tmp_path)
    assert place_of(os.fsencode(tmp_path / "a"), [old, new]) == Place(new, b"a")
    assert place_of(os.fsencode(tmp_path / "a"), [new, old]) == Place(new, b"a")


def test_the_root_of_the_file_system_can_be_a_source() -> None:
    """The folder / has everything below it."""
    everything = source(1, Path("/"))
    assert place_of(b"/etc/hosts", [everything]) == Place(everything, b"etc/hosts")


def test_outside_of_every_source_is_nowhere(tmp_path: Path) -> None:
    """A sibling whose name begins like a root is not in it."""
    assert (
        find(tmp_path / "docs2" / "a", [source(1, tmp_path / "docs")], known=nothing_known) is None
    )


def test_relative_to_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is first looked for from where the person stands."""
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "sub" / "a.md").touch()
    (tmp_path / "docs" / "a.md").touch()
    monkeypatch.chdir(tmp_path / "docs" / "sub")
    row = source(1, tmp_path / "docs")
    assert find(Path("a.md"), [row], known=nothing_known) == Place(row, b"sub/a.md")


def test_relative_to_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path as the collection shows it, relative to the root, is found from anywhere."""
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "sub" / "a.md").touch()
    monkeypatch.chdir("/")
    row = source(1, tmp_path / "docs")
    assert find(Path("sub/a.md"), [row], known=nothing_known) == Place(row, b"sub/a.md")
    assert find(Path("../x"), [row], known=nothing_known) is None


def test_what_is_known_counts_when_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deleted file is found where the table has it."""
    one, two = source(1, tmp_path / "one"), source(2, tmp_path / "two")
    monkeypatch.chdir("/")
    wanted = Place(two, b"gone.md")
    assert find(Path("gone.md"), [one, two], known=lambda place: place == wanted) == wanted


def test_a_link_to_the_root_leads_into_the_source(tmp_path: Path) -> None:
    """The same folder under another name is the same source."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "link").symlink_to("docs")
    row = source(1, tmp_path / "docs")
    assert find(tmp_path / "link" / "a.md", [row], known=nothing_known) == Place(row, b"a.md")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """Bytes on disk stay as they are."""
    row = source(1, tmp_path)
    given = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md"))
    assert find(given, [row], known=nothing_known) == Place(row, b"\xff.md")


def test_places_inside_others_are_dropped(tmp_path: Path) -> None:
    """A folder covers what is in it, and not what only begins like it."""
    one, two = source(1, tmp_path / "one"), source(2, tmp_path / "two")
    given = [
        Place(one, b"a/b"),
        Place(one, b"a.md"),
        Place(one, b"a"),
        Place(one, b"a/b/c"),
        Place(one, b"a-b"),
        Place(two, b"a/b"),
        Place(one, b"a"),
    ]
    kept = {(place.source.id, place.path) for place in outermost(given)}
    assert kept == {(1, b"a"), (1, b"a.md"), (1, b"a-b"), (2, b"a/b")}
    assert outermost([Place(one, b"x"), Place(one, b"")]) == [Place(one, b"")]
