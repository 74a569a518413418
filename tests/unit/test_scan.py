"""What a scan sees, what it leaves out, and what it says it does not know."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestd.ports import Fingerprint
from ingestd.watch.rules import Rules
from ingestd.watch.scan import Listing, RootState, probe_root, scan

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A source of a user whom permissions bind, and that user."""
    root = Path(tempfile.mkdtemp())
    if os.geteuid() != 0:
        yield root
    else:
        os.chown(root, 65534, 65534)
        os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(0)
    subprocess.run(["chmod", "-R", "u+rwX", root], check=False)
    shutil.rmtree(root)


def make(root: Path, *paths: str) -> None:
    """Write small files."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def walk(root: Path, *, below: bytes = b"", **options: object) -> Iterator[Listing]:
    """Scan with fresh rules."""
    home = os.fsencode(root)
    return scan(home, Rules(home, **options), below=below)  # type: ignore[arg-type]


def seen(listings: Iterator[Listing]) -> list[tuple[bytes, list[bytes]]]:
    """Directories with the names of their files."""
    return [(listing.directory, [name for name, _ in listing.files]) for listing in listings]


class TestWalk:
    """An ordinary tree."""

    def test_depth_first_in_byte_order(self, root: Path) -> None:
        """Each directory has one listing, before its subdirectories, in byte order of names."""
        make(root, "b/x.md", "a/d/z.md", "a/c/y.md", "B/q.md", "z.md", "a.md")
        (root / "empty").mkdir()
        assert seen(walk(root)) == [
            (b"", [b"a.md", b"z.md"]),
            (b"B", [b"q.md"]),
            (b"a", []),
            (b"a/c", [b"y.md"]),
            (b"a/d", [b"z.md"]),
            (b"b", [b"x.md"]),
            (b"empty", []),
        ]

    def test_fingerprints(self, root: Path) -> None:
        """A file's fingerprint is that of its lstat."""
        make(root, "a.md")
        (listing,) = walk(root)
        assert listing.files == [(b"a.md", Fingerprint.of((root / "a.md").lstat()))]
        assert not listing.partial
        assert listing.unreadable is None

    def test_rules_hold(self, root: Path) -> None:
        """Excluded directories get no listing, excluded files no entry, rule files neither."""
        make(root, ".git/config", "a/x.md~", "a/x.md", "a/drafts/y.md")
        (root / "a" / ".ingestignore").write_text("drafts/\n")
        assert seen(walk(root)) == [(b"", []), (b"a", [b"x.md"])]

    def test_large_files_are_listed(self, root: Path) -> None:
        """A file above the size limit is listed: the job marks it as skipped."""
        make(root, "a.md")
        assert seen(walk(root, max_file_bytes=1)) == [(b"", [b"a.md"])]

    def test_names_are_bytes(self, root: Path) -> None:
        """Names that are not UTF-8, hold a newline or are decomposed come as they are on disk."""
        names = [b"caf\xe9.md", b"a\nb.md", "가.md".encode()]
        for name in names:
            Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
        assert seen(walk(root)) == [(b"", sorted(names))]

    def test_special_files_are_left_out(self, root: Path) -> None:
        """Pipes and sockets are no documents, and looking at them does not hang."""
        os.mkfifo(root / "pipe.md")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(root / "socket.md"))
            assert seen(walk(root)) == [(b"", [])]

    def test_a_root_that_is_a_link(self, root: Path) -> None:
        """The root itself may be a link to a directory."""
        make(root, "a/x.md")
        link = root.parent / "link"
        link.symlink_to(root)
        assert seen(walk(link)) == [(b"", []), (b"a", [b"x.md"])]


class TestBelow:
    """A part of a source."""

    def test_subtree(self, root: Path) -> None:
        """Only the directory and what is below it is listed, with paths from the root."""
        make(root, "a/b/x.md", "a/y.md", "c/z.md")
        assert seen(walk(root, below=b"a/b")) == [(b"a/b", [b"x.md"])]

    def test_file(self, root: Path) -> None:
        """One file gives one listing of its parent with nothing else in it."""
        make(root, "a/x.md", "a/y.md")
        assert seen(walk(root, below=b"a/x.md")) == [(b"a", [b"x.md"])]

    @pytest.mark.parametrize("below", [b"gone", b"a/gone/x", b"a/x.md/y", b"a/x~", b".git"])
    def test_nothing_of_ours(self, root: Path, below: bytes) -> None:
        """What is not there, or ruled out, gives no listing at all."""
        make(root, "a/x.md", "a/x~", ".git/config")
        assert seen(walk(root, below=below)) == []

    def test_not_through_a_link(self, root: Path) -> None:
        """A path that leads through a link to a directory is not in the tree."""
        make(root, "a/x.md")
        (root / "link").symlink_to(root / "a")
        assert seen(walk(root, below=b"link")) == []
        assert seen(walk(root, below=b"link/x.md")) == []

    def test_rules_of_the_way_there_hold(self, root: Path) -> None:
        """What stands above the part rules it as in a scan of the whole."""
        make(root, "a/b/x.md")
        (root / ".ingestignore").write_text("x.md\n")
        assert seen(walk(root, below=b"a")) == [(b"a", []), (b"a/b", [])]

    @pytest.mark.parametrize("below", [b"/etc", b"../x", b"a/.."])
    def test_a_path_that_is_not_ours_is_refused(self, root: Path, below: bytes) -> None:
        """An absolute path, or one that goes up, is a mistake of the caller."""
        make(root, "a/x.md")
        with pytest.raises(ValueError, match="not a path relative"):
            list(walk(root, below=below))


class TestLinks:
    """Symbolic links and loops."""

    def test_link_to_a_file_inside(self, root: Path) -> None:
        """It is taken with the fingerprint of its target, also when asked for by name."""
        make(root, "a/x.md")
        (root / "link.md").symlink_to("a/x.md")
        expected = [(b"link.md", Fingerprint.of((root / "a" / "x.md").lstat()))]
        assert next(walk(root)).files == expected
        assert next(walk(root, below=b"link.md")).files == expected

    def test_links_that_are_left_out(self, root: Path) -> None:
        """A link out of the root, to nothing, to itself, to a directory or a pipe is not taken."""
        make(root.parent, "outside.md", "root2/x.md")
        make(root, "a/x.md")
        os.mkfifo(root / "a" / "pipe")
        for name, target in {
            "out.md": "../outside.md",
            "sibling.md": "../root2/x.md",
            "gone.md": "gone",
            "through.md": "a/x.md/y",
            "self.md": "self.md",
            "directory.md": "a",
            "pipe.md": "a/pipe",
        }.items():
            (root / name).symlink_to(target)
        assert seen(walk(root)) == [(b"", []), (b"a", [b"x.md"])]

    def test_a_link_uncovers_no_secret(self, root: Path) -> None:
        """A link whose target is ruled out, or must not be opened, is ruled out."""
        make(root, ".env", ".git/config")
        (root / "notes.md").symlink_to(".env")
        (root / "more.md").symlink_to(".git/config")
        assert seen(walk(root)) == [(b"", [b".env"])]

    def test_a_secret_is_listed_with_a_key_of_its_own(self, root: Path) -> None:
        """So that it counts as changed when it may be opened, and when it may no more."""
        make(root, ".env")
        (root / ".netrc").symlink_to(".env.example")
        make(root, ".env.example")
        (listing,) = walk(root)
        found = dict(listing.files)
        real = Fingerprint.of((root / ".env").stat())
        assert found[b".env"] == real.sealed() != real
        assert found[b".netrc"] == Fingerprint.of((root / ".env.example").stat()).sealed()
        assert found[b".env.example"] == Fingerprint.of((root / ".env.example").stat())
        (single,) = walk(root, below=b".env")
        assert single.files == [(b".env", real.sealed())]

    def test_a_mount_of_an_ancestor_is_not_entered(self, root: Path) -> None:
        """A directory that is its own ancestor ends there, or the walk would not."""
        make(root, "a/x.md")
        (root / "a" / "loop").mkdir()
        mounted = subprocess.run(
            ["mount", "--bind", root, root / "a" / "loop"], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("bind mounts are not permitted here")
        try:
            assert seen(walk(root)) == [(b"", []), (b"a", [b"x.md"])]
            assert seen(walk(root, below=b"a")) == [(b"a", [b"x.md"])]
        finally:
            subprocess.run(["umount", root / "a" / "loop"], check=True)


class TestUnknown:
    """What nobody can tell must not look like absence."""

    def test_unreadable_directory(self, unprivileged: Path) -> None:
        """A directory without permission is told as unreadable, and the rest is listed."""
        make(unprivileged, "a/x.md", "b/y.md")
        (unprivileged / "a").chmod(0)
        top, first, second = walk(unprivileged)
        assert not top.partial
        assert (first.directory, first.files, first.unreadable) == (
            b"a",
            [],
            "a: Permission denied",
        )
        assert [name for name, _ in second.files] == [b"y.md"]

    def test_entries_that_cannot_be_looked_at(self, unprivileged: Path) -> None:
        """Where names can be read but nothing behind them, each is unknown or unreadable."""
        make(unprivileged, "a/x.md", "a/sub/y.md")
        (unprivileged / "a").chmod(0o400)
        _, listing = walk(unprivileged)
        assert listing.unreadable

    def test_entries_that_cannot_be_looked_at_at_the_top(self, unprivileged: Path) -> None:
        """A link into a closed directory is unknown, not gone."""
        make(unprivileged, "a/x.md", "z.md")
        (unprivileged / "link.md").symlink_to("a/x.md")
        (unprivileged / "a").chmod(0)
        top, _ = walk(unprivileged)
        assert (top.partial, top.unknown) == (True, {b"link.md"})
        assert [name for name, _ in top.files] == [b"z.md"]
        (single,) = walk(unprivileged, below=b"link.md")
        assert single.unknown == {b"link.md"}

    def test_below_an_unreadable_directory(self, unprivileged: Path) -> None:
        """A part that cannot be reached is unreadable, not gone."""
        make(unprivileged, "a/b/x.md")
        (unprivileged / "a").chmod(0)
        (listing,) = walk(unprivileged, below=b"a/b")
        assert (listing.directory, listing.unreadable) == (b"a/b", "Permission denied")

    def test_unreadable_rules(self, root: Path) -> None:
        """A directory whose rules cannot be read is unreadable, whole or in part."""
        make(root, "a/b/x.md")
        os.mkfifo(root / "a" / ".ingestignore")
        top, listing = walk(root)
        assert top.unreadable is None
        assert listing.directory == b"a"
        assert "not a regular file" in str(listing.unreadable)
        (part,) = walk(root, below=b"a/b")
        assert part.unreadable
        (single,) = walk(root, below=b"a/b/x.md")
        assert single.unknown == {b"x.md"}

    def test_a_tree_too_deep_for_paths(self, root: Path) -> None:
        """2,500 levels end, where paths get too long, with a directory told as unreadable."""
        descriptor = os.open(root, os.O_RDONLY)
        for _ in range(2500):
            os.mkdir("d", dir_fd=descriptor)
            below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        os.close(descriptor)
        try:
            *readable, last = walk(root)
            assert len(readable) > 1900
            assert str(last.unreadable).endswith("File name too long")
        finally:
            subprocess.run(["rm", "-rf", root], check=True)

    @pytest.mark.parametrize("swapped", [False, True])
    def test_root_that_goes_away_meanwhile(self, root: Path, swapped: bool) -> None:  # noqa: FBT001  # a parameter of the test
        """When the root is unmounted or swapped during a scan, the rest is unknown, not gone."""
        make(root, "a/x.md", "b/c/y.md")
        listings = walk(root)
        next(listings)
        root.rename(root.parent / "moved")
        if swapped:
            root.mkdir()
        rest = list(listings)
        assert [listing.directory for listing in rest] == [b"a", b"b"]
        assert all(listing.unreadable for listing in rest)

    def test_directory_that_goes_away_meanwhile(self, root: Path) -> None:
        """A directory deleted during a scan is gone, as if it had been before."""
        make(root, "a/x.md", "b/y.md")
        listings = walk(root)
        next(listings)
        shutil.rmtree(root / "a")
        assert seen(listings) == [(b"b", [b"y.md"])]

    def test_missing_root(self, root: Path) -> None:
        """A root that is not there gives one unreadable listing of everything."""
        (listing,) = walk(root / "gone")
        assert (listing.directory, listing.files) == (b"", [])
        assert listing.unreadable
        (listing,) = walk(root / "gone", below=b"a")
        assert (listing.directory, bool(listing.unreadable)) == (b"", True)

    def test_root_that_is_a_file(self, root: Path) -> None:
        """A root that became a file is unreadable."""
        make(root, "file")
        (listing,) = walk(root / "file")
        assert listing.unreadable


class TestProbe:
    """The state of a root, before anything is concluded from a scan."""

    def test_ordinary(self, root: Path) -> None:
        """A folder with something in it."""
        make(root, "a.md")
        device = root.stat().st_dev
        assert probe_root(os.fsencode(root)) == RootState(exists=True, is_dir=True, device=device)

    def test_empty(self, root: Path) -> None:
        """A folder with nothing in it, as a mount point without its mount."""
        assert probe_root(os.fsencode(root)).empty

    def test_missing(self, root: Path) -> None:
        """Nothing is there, or the way there is no folder."""
        make(root, "file")
        for path in ("gone", "file/x"):
            assert probe_root(os.fsencode(root / path)) == RootState(exists=False)

    def test_file(self, root: Path) -> None:
        """A file is there."""
        make(root, "file")
        state = probe_root(os.fsencode(root / "file"))
        assert (state.exists, state.is_dir) == (True, False)

    def test_unreadable(self, unprivileged: Path) -> None:
        """A folder that may not be read is not empty, and says why."""
        unprivileged.chmod(0)
        state = probe_root(os.fsencode(unprivileged))
        assert (state.exists, state.is_dir, state.empty) == (True, True, False)
        assert state.error == "Permission denied"
        inside = probe_root(os.fsencode(unprivileged / "x"))
        assert (inside.exists, inside.error) == (True, "Permission denied")
