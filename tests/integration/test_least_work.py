"""What has been embedded once is not embedded again, whatever happens to the files.

Counted in the report of `ingestd run --once --json`, and in the log of a running daemon.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from daemon import Daemon, eventually
from forked import Zygote
from history import LIMITS, assert_exact, rows, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from history import View


@dataclass
class Place:
    """A folder and its index."""

    folder: Path
    state: Path
    zygote: Zygote

    def run(self) -> dict[str, Any]:
        """Take up what changed; returns the report."""
        report = self.zygote(
            *("run", self.folder, "--once", "--json", "--state-dir", self.state), **LIMITS
        ).report()
        assert report["errors"] == []
        return report

    def ids(self) -> dict[str, str]:
        """The id of each document, by path."""
        return {
            os.fsdecode(path): key
            for path, key in rows(self.state, "SELECT path, id FROM documents")
        }

    def view(self) -> View:
        """What the collection holds; the table agrees with it."""
        return assert_exact(self.state)

    def texts(self) -> dict[str, list[str]]:
        """The texts of each document, in order, as they name themselves."""
        found: dict[str, list[str]] = {}
        for (path, _), (text, _, _) in sorted(self.view().items()):
            found.setdefault(path, []).append(text.split(" says ")[1].split(".")[0])
        return found


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Runs the program."""
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture
def place(tmp_path: Path, zygote: Zygote) -> Place:
    """A folder with some documents, all of them indexed."""
    place = Place(tmp_path / "docs", tmp_path / "state", zygote)
    fill(place.folder)
    assert place.run()["chunks"]["embedded"] == 40
    return place


def fill(folder: Path) -> None:
    """Make the folder: 40 chunks."""
    write(folder, "a.md", "a1", "a2", "a3")
    write(folder, "b.md", "b1", "b2")
    write(folder, "long.md", *range(30))
    for number in range(5):
        write(folder, f"dir/sub{number % 2}/{number}.md", f"d{number}")


def touch(folder: Path) -> None:
    """Give every file another time."""
    for file in folder.rglob("*.md"):
        os.utime(file)


def rename(folder: Path) -> None:
    """Rename a file."""
    (folder / "a.md").rename(folder / "z.md")


def rename_directory(folder: Path) -> None:
    """Rename a directory with directories in it."""
    (folder / "dir").rename(folder / "other")


def copy(folder: Path) -> None:
    """Copy a file and a directory."""
    shutil.copy(folder / "long.md", folder / "copy.md")
    shutil.copytree(folder / "dir", folder / "dir2")


def move_by_copy(folder: Path) -> None:
    """Copy and delete, as a move between file systems does: another inode."""
    shutil.copy2(folder / "a.md", folder / "moved.md")
    (folder / "a.md").unlink()


def link(folder: Path) -> None:
    """Give a file a second name."""
    os.link(folder / "a.md", folder / "dir/link.md")


def swap(folder: Path) -> None:
    """Let two files change their names."""
    (folder / "a.md").rename(folder / "t")
    (folder / "b.md").rename(folder / "a.md")
    (folder / "t").rename(folder / "b.md")


def chain(folder: Path) -> None:
    """One file goes on, another takes its place, and a third the place of that."""
    (folder / "a.md").rename(folder / "new.md")
    (folder / "b.md").rename(folder / "a.md")
    (folder / "long.md").rename(folder / "b.md")


def cut(folder: Path) -> None:
    """Take away the end of a file."""
    write(folder, "long.md", *range(25))


def same_text(folder: Path) -> None:
    """Save a file as editors do: a new file of the same text over the old one."""
    shutil.copy(folder / "a.md", folder / ".a.md.swp")
    (folder / ".a.md.swp").rename(folder / "a.md")


@pytest.mark.parametrize(
    "act",
    [touch, rename, rename_directory, copy, move_by_copy, link, swap, chain, cut, same_text],
    ids=lambda act: act.__name__,
)
def test_nothing_is_embedded_again(
    place: Place, act: Callable[[Path], None], tmp_path: Path, zygote: Zygote
) -> None:
    """Zero texts go through the model, and the index is that of a fresh run over the files."""
    act(place.folder)
    report = place.run()
    assert report["chunks"]["embedded"] == 0
    fresh = Place(place.folder, tmp_path / "fresh", zygote)
    fresh.run()
    texts = fresh.texts()
    assert place.texts() == texts
    again = place.run()
    assert again["chunks"]["upserted"] == again["chunks"]["relabelled"] == 0


@pytest.mark.parametrize("act", [touch, rename, rename_directory], ids=lambda act: act.__name__)
def test_a_move_or_a_touch_writes_labels_only(place: Place, act: Callable[[Path], None]) -> None:
    """The slots and the ids of the documents stay; no vector is written."""
    before, slots = set(place.ids().values()), {row[0] for row in rows(place.state, SLOTS)}
    act(place.folder)
    report = place.run()
    assert report["chunks"]["upserted"] == 0
    assert report["chunks"]["relabelled"] > 0
    assert set(place.ids().values()) == before
    assert {row[0] for row in rows(place.state, SLOTS)} == slots


SLOTS = "SELECT slot FROM chunks"


def test_a_file_that_takes_the_place_of_a_moved_one_is_another_document(place: Place) -> None:
    """The moved file keeps its document only when its old path is free: each path has its own."""
    (place.folder / "a.md").rename(place.folder / "z.md")
    write(place.folder, "a.md", "other")
    assert place.run()["chunks"]["embedded"] == 1
    assert place.texts()["z.md"] == ["a1", "a2", "a3"]
    assert place.texts()["a.md"] == ["other"]


def test_a_link_that_loses_its_first_name_stays(place: Place) -> None:
    """Two names are two documents; when one goes, its chunks go and the other's stay."""
    link(place.folder)
    place.run()
    assert place.texts()["dir/link.md"] == place.texts()["a.md"]
    (place.folder / "a.md").unlink()
    report = place.run()
    assert report["chunks"]["embedded"] == 0
    assert "a.md" not in place.texts()
    assert place.texts()["dir/link.md"] == ["a1", "a2", "a3"]


def test_an_earlier_version_costs_nothing(place: Place) -> None:
    """Restored from a backup: every text has been seen."""
    shutil.copytree(place.folder, place.folder.with_name("backup"), copy_function=shutil.copy2)
    write(place.folder, "long.md", *(f"x{number}" for number in range(30)))
    assert place.run()["chunks"]["embedded"] == 30
    shutil.copy2(place.folder.with_name("backup") / "long.md", place.folder / "long.md")
    assert place.run()["chunks"]["embedded"] == 0
    assert place.texts()["long.md"] == [str(number) for number in range(30)]


def test_a_branch_switch_and_back_costs_nothing(place: Place) -> None:
    """Once a branch has been seen, going to and fro between branches embeds nothing."""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *who, *arguments], cwd=place.folder, check=True, capture_output=True)

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git("init", "-b", "one")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "two")
    write(place.folder, "a.md", "a1", "changed")
    (place.folder / "b.md").unlink()
    write(place.folder, "only-here.md", "new")
    git("add", "-A")
    git("commit", "-m", "two")
    assert place.run()["chunks"]["embedded"] == 2
    for branch, here in (("one", False), ("two", True), ("one", False)):
        git("checkout", branch)
        assert place.run()["chunks"]["embedded"] == 0
        assert ("only-here.md" in place.texts()) is here
        assert ("b.md" in place.texts()) is not here


def test_an_insertion_at_the_top_embeds_what_is_new(place: Place) -> None:
    """Thirty chunks move down; one is new, and at most its neighbour changes with it."""
    write(place.folder, "long.md", "top", *range(30))
    report = place.run()
    assert 1 <= report["chunks"]["embedded"] <= 2
    assert report["chunks"]["upserted"] <= 2
    assert place.texts()["long.md"] == ["top", *(str(number) for number in range(30))]


def test_an_edit_with_its_size_and_time_put_back_is_found(place: Place) -> None:
    """The time of the inode tells, though nothing that a program may set does."""
    file = place.folder / "a.md"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"a2", b"XY"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert place.run()["chunks"]["embedded"] == 1
    assert place.texts()["a.md"] == ["a1", "XY", "a3"]


def test_an_edit_within_the_same_clock_tick_is_found(place: Place) -> None:
    """A file that was fresh when it was read is read once more, though nothing seems different.

    The table is made to say what a coarse clock would have: the times of the second edit, and
    that the look is due which a fresh file gets.
    """
    write(place.folder, "a.md", "a1", "b2", "a3")
    place.run()
    write(place.folder, "a.md", "a1", "c2", "a3")
    now = (place.folder / "a.md").stat()
    with sqlite3.connect(place.state / "state.db") as table:
        table.execute(
            "UPDATE documents SET mtime_ns = ?, ctime_ns = ?, recheck_at = 0 WHERE path = ?",
            [now.st_mtime_ns, now.st_ctime_ns, b"a.md"],
        )
    assert place.run()["chunks"]["embedded"] == 1
    assert place.texts()["a.md"] == ["a1", "c2", "a3"]


def embedded(daemon: Daemon) -> int:
    """Texts that the running daemon has embedded."""
    return sum(entry["embedded"] for entry in daemon.events("document_indexed"))


def test_a_running_daemon_embeds_nothing_twice(tmp_path: Path) -> None:
    """The same, seen by the watcher: renames, moves, copies, swaps, touches and restores."""
    folder = tmp_path / "docs"
    fill(folder)
    kept = tmp_path / "kept.md"
    shutil.copy2(folder / "a.md", kept)
    with Daemon(folder, tmp_path / "state", model="hash:16") as daemon:
        at_first = embedded(daemon)
        collection = daemon.collection()

        def holds(path: str, number: int) -> bool:
            return len(collection.get(where={"path": path}, include=[])["ids"]) == number

        chunks = {
            path: len(collection.get(where={"path": path}, include=[])["ids"])
            for path in ("a.md", "b.md", "long.md", "dir/sub0/0.md")
        }
        touch(folder)
        (folder / "a.md").rename(folder / "z.md")
        (folder / "dir").rename(folder / "other")
        shutil.copy(folder / "long.md", folder / "copy.md")
        eventually(lambda: holds("z.md", chunks["a.md"]) and holds("a.md", 0))
        eventually(lambda: holds("other/sub0/0.md", chunks["dir/sub0/0.md"]))
        eventually(lambda: holds("copy.md", chunks["long.md"]))
        (folder / "z.md").rename(folder / "t.md")
        (folder / "b.md").rename(folder / "z.md")
        (folder / "t.md").rename(folder / "b.md")
        (folder / "copy.md").unlink()
        shutil.copy2(kept, folder / "a.md")
        eventually(lambda: holds("b.md", chunks["a.md"]) and holds("z.md", chunks["b.md"]))
        eventually(lambda: holds("copy.md", 0) and holds("a.md", chunks["a.md"]))
        assert embedded(daemon) == at_first
        daemon.stop(60)
    assert_exact(tmp_path / "state")
