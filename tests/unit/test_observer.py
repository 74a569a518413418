"""Which paths events point at, and what the kernel's events of real changes come to."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
)

from ingestd.errors import SourceMissingError
from ingestd.watch import kernel
from ingestd.watch.observer import Observer, WatchLimitError, dirty_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 60


class TestDirtyPaths:
    """From an event to paths, without a kernel."""

    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            (FileCreatedEvent("/r/a"), [(b"a", False)]),
            (FileModifiedEvent("/r/a"), [(b"a", False)]),
            (FileClosedEvent("/r/a"), [(b"a", True)]),
            (FileDeletedEvent("/r/d/a"), [(b"d/a", True)]),
            (FileMovedEvent("/r/a", "/r/b"), [(b"a", True), (b"b", True)]),
            (DirCreatedEvent("/r/d"), [(b"d", False)]),
            (DirMovedEvent("/r/d", "/r/e"), [(b"d", True), (b"e", True)]),
            (DirDeletedEvent("/r/d"), [(b"d", True)]),
            (DirDeletedEvent("/r"), [(b"", True)]),
        ],
    )
    def test_kinds(self, event: FileSystemEvent, expected: list[tuple[bytes, bool]]) -> None:
        """Each kind of event gives its paths, and whether the writer is done."""
        assert dirty_paths(event, b"/r") == expected

    def test_made_up_events(self) -> None:
        """What watchdog makes up for the content of a moved directory is left out."""
        assert dirty_paths(FileMovedEvent("/r/a", "/r/b", is_synthetic=True), b"/r") == []

    def test_one_side_outside(self) -> None:
        """A path outside the root is no path of ours, nor is one that shares its beginning."""
        assert dirty_paths(FileMovedEvent("/r/a", "/root/a"), b"/r") == [(b"a", True)]
        assert dirty_paths(FileMovedEvent("", "/r/a"), b"/r") == [(b"a", True)]

    def test_whole_file_system(self) -> None:
        """The root may be the root of everything."""
        assert dirty_paths(FileClosedEvent("/a/b"), b"/") == [(b"a/b", True)]
        assert dirty_paths(DirDeletedEvent("/"), b"/") == [(b"", True)]

    def test_not_utf_8(self) -> None:
        """A name comes back in the bytes that it has on disk."""
        event = FileClosedEvent("/r/" + os.fsdecode(b"caf\xe9"))
        assert dirty_paths(event, b"/r") == [(b"caf\xe9", True)]


class Heard:
    """What the callbacks were called with; waits for more with a deadline."""

    def __init__(self) -> None:
        self.paths: dict[tuple[str, bytes], bool] = {}
        self.losses: list[str] = []
        self._changed = threading.Condition()

    def on_path(self, source: str, path: bytes, closed: bool) -> None:  # noqa: FBT001  # the callback
        """Take a path; a later event of the same path wins, as in the inbox."""
        with self._changed:
            self.paths[source, path] = closed
            self._changed.notify_all()

    def on_lost(self, reason: str) -> None:
        """Take a reason."""
        with self._changed:
            self.losses.append(reason)
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds, or fail."""
        with self._changed:
            held = self._changed.wait_for(condition, timeout=DEADLINE_S)
        assert held, (self.paths, self.losses)

    def wait_for(self, *paths: bytes, source: str = "s") -> None:
        """Wait until all the paths have come."""
        self.wait(lambda: all((source, path) in self.paths for path in paths))

    def wait_closed(self, path: bytes) -> None:
        """Wait until the last word on a path is that its writer is done."""
        self.wait(lambda: self.paths.get(("s", path)) is True)


@pytest.fixture
def heard() -> Heard:
    """An empty record."""
    return Heard()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def observer(root: Path, heard: Heard) -> Iterator[Observer]:
    """A started observer of the source ``s``."""
    observer = Observer(heard.on_path, heard.on_lost)
    observer.watch("s", os.fsencode(root))
    observer.start()
    yield observer
    observer.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, or fail."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def open_descriptors() -> int:
    """How many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.usefixtures("observer")
class TestKernel:
    """Real changes, through the real kernel."""

    def test_create(self, root: Path, heard: Heard) -> None:
        """A new file comes, closed in the end."""
        (root / "a.md").write_text("x")
        heard.wait_closed(b"a.md")

    def test_append(self, root: Path, heard: Heard) -> None:
        """A file that is still being written to is not closed; then it is."""
        with (root / "a.md").open("a") as file:
            file.write("x")
            file.flush()
            heard.wait(lambda: heard.paths.get(("s", b"a.md")) is False)
        heard.wait_closed(b"a.md")

    def test_truncate(self, root: Path, heard: Heard) -> None:
        """A truncation without an open comes too."""
        (root / "a.md").write_text("xyz")
        heard.wait_closed(b"a.md")
        os.truncate(root / "a.md", 1)
        heard.wait(lambda: heard.paths["s", b"a.md"] is False)

    def test_reading_is_silent(self, root: Path, heard: Heard) -> None:
        """To read a file or list a directory is no event."""
        (root / "a.md").write_text("x")
        heard.wait_closed(b"a.md")
        heard.paths.clear()
        (root / "a.md").read_text()
        list(root.iterdir())
        (root / "end").touch()
        heard.wait_for(b"end")
        assert ("s", b"a.md") not in heard.paths

    def test_atomic_save(self, root: Path, heard: Heard) -> None:
        """A save by rename points at the file, closed."""
        (root / "a.md").write_text("x")
        (root / ".a.md.tmp").write_text("y")
        (root / ".a.md.tmp").replace(root / "a.md")
        heard.wait_for(b".a.md.tmp")
        heard.wait_closed(b"a.md")

    def test_rename(self, root: Path, heard: Heard) -> None:
        """A rename points at both names."""
        (root / "a.md").touch()
        (root / "a.md").rename(root / "b.md")
        heard.wait_closed(b"a.md")
        heard.wait_closed(b"b.md")

    def test_delete(self, root: Path, heard: Heard) -> None:
        """A deleted file comes, closed."""
        (root / "a.md").touch()
        (root / "a.md").unlink()
        heard.wait_closed(b"a.md")

    def test_moved_in(self, root: Path, heard: Heard) -> None:
        """A file or a directory moved in comes by its own path."""
        outside = root.parent / "outside"
        (outside / "sub").mkdir(parents=True)
        (outside / "sub" / "x.md").touch()
        outside.rename(root / "inside")
        heard.wait_for(b"inside")
        (root / "inside" / "sub" / "y.md").touch()
        heard.wait_for(b"inside/sub/y.md")

    def test_moved_out(self, root: Path, heard: Heard) -> None:
        """A directory moved out comes by its own path, closed."""
        (root / "d").mkdir()
        (root / "d" / "a.md").touch()
        heard.wait_for(b"d", b"d/a.md")
        (root / "d").rename(root.parent / "gone")
        heard.wait_closed(b"d")

    def test_moved_out_is_let_go(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A directory moved out takes no watches any more, and is not heard of by its old name."""
        (root / "d" / "sub").mkdir(parents=True)
        until(lambda: observer.watches() == 3)
        (root / "d").rename(root.parent / "gone")
        heard.wait_closed(b"d")
        heard.paths.clear()
        (root.parent / "gone" / "ghost").touch()
        (root / "end").touch()
        heard.wait_for(b"end")
        until(lambda: observer.watches() == 1)
        assert ("s", b"d/ghost") not in heard.paths

    def test_a_name_used_again_after_a_move_out(
        self, observer: Observer, root: Path, heard: Heard
    ) -> None:
        """The new directory of an old name is watched, moved and removed like any other."""
        for _ in range(3):
            (root / "d" / "sub").mkdir(parents=True, exist_ok=True)
            (root / "d").rename(root.parent / f"gone{len(list(root.parent.iterdir()))}")
        (root / "d").mkdir()
        (root / "d").rename(root / "e")
        shutil.rmtree(next(root.parent.glob("gone*")))
        heard.wait_closed(b"e")
        (root / "e" / "new").touch()
        heard.wait_for(b"e/new")
        until(lambda: observer.watches() == 2)
        observer.stop()
        assert heard.losses == []

    def test_moved_from_one_source_to_another(
        self, observer: Observer, root: Path, heard: Heard
    ) -> None:
        """The one it left hears of its end, the other one of all that happens in it."""
        other = root.parent / "other"
        other.mkdir()
        observer.watch("t", os.fsencode(other))
        (root / "d").mkdir()
        until(lambda: observer.watches() == 3)
        (root / "d").rename(other / "d")
        heard.wait_closed(b"d")
        heard.wait_for(b"d", source="t")
        (other / "d" / "new").touch()
        heard.wait_for(b"d/new", source="t")
        (root / "end").touch()
        heard.wait_for(b"end")
        assert ("s", b"d/new") not in heard.paths
        (other / "d").rename(root / "back")
        heard.wait_for(b"back")
        (root / "back" / "new").write_text("x")
        heard.wait_for(b"back/new")

    def test_directory_renamed(self, root: Path, heard: Heard) -> None:
        """A renamed directory comes by both paths, and its files later by the new one."""
        (root / "d").mkdir()
        heard.wait_for(b"d")
        (root / "d").rename(root / "e")
        heard.wait_closed(b"d")
        heard.wait_closed(b"e")
        (root / "e" / "a.md").touch()
        heard.wait_for(b"e/a.md")

    def test_tree_removed(self, root: Path, heard: Heard) -> None:
        """Every file and directory of a removed tree comes."""
        (root / "d" / "e").mkdir(parents=True)
        (root / "d" / "e" / "a.md").touch()
        heard.wait_for(b"d/e/a.md")
        heard.paths.clear()
        shutil.rmtree(root / "d")
        for path in (b"d/e/a.md", b"d/e", b"d"):
            heard.wait_closed(path)

    def test_deep_tree_at_once(self, root: Path, heard: Heard) -> None:
        """Of a tree made at once, each file comes itself, or a directory above it does."""
        files = [Path(f"t/{at % 7}/{at % 5}/{at}.md") for at in range(300)]
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        (root / "end").touch()
        heard.wait_for(b"end")
        heard.wait(
            lambda: all(
                any(("s", bytes(path)) in heard.paths for path in (file, *file.parents))
                for file in files
            )
        )
        (root / files[-1].parent / "late.md").touch()
        heard.wait_for(bytes(files[-1].parent / "late.md"))

    def test_vim(self, root: Path, heard: Heard) -> None:
        """The way vim saves points at the file, closed."""
        (root / "a.md").write_text("x")
        heard.wait_closed(b"a.md")
        heard.paths.clear()
        (root / "4913").touch()
        (root / "4913").unlink()
        (root / "a.md").rename(root / "a.md~")
        (root / "a.md").write_text("y")
        (root / "a.md~").unlink()
        heard.wait_closed(b"a.md~")
        heard.wait_closed(b"a.md")

    @pytest.mark.parametrize(
        "name", [b"caf\xe9.md", unicodedata.normalize("NFD", "초안.md").encode(), b"a\nb.md"]
    )
    def test_names(self, root: Path, heard: Heard, name: bytes) -> None:
        """Names come as they are on disk: not UTF-8, decomposed Hangul, with a newline."""
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
        heard.wait_closed(name)


class TestSources:
    """Several roots, and roots that are not simply there."""

    def test_two_sources(self, tmp_path: Path, heard: Heard) -> None:
        """Each source hears of its own files, one added after the start too, one inside another."""
        for name in ("a", "b", "a/inner"):
            (tmp_path / name).mkdir()
        observer = Observer(heard.on_path, heard.on_lost)
        observer.watch("a", os.fsencode(tmp_path / "a"))
        observer.start()
        try:
            observer.watch("b", os.fsencode(tmp_path / "b"))
            observer.watch("inner", os.fsencode(tmp_path / "a" / "inner"))
            (tmp_path / "a" / "inner" / "x").touch()
            (tmp_path / "b" / "y").touch()
            heard.wait_for(b"inner/x", source="a")
            heard.wait_for(b"x", source="inner")
            heard.wait_for(b"y", source="b")
            assert ("a", b"y") not in heard.paths
        finally:
            observer.stop()

    def test_root_through_a_link(self, root: Path, heard: Heard) -> None:
        """A root that is a link to a directory is heard of."""
        link = root.parent / "link"
        link.symlink_to(root)
        observer = Observer(heard.on_path, heard.on_lost)
        observer.watch("s", os.fsencode(link))
        observer.start()
        try:
            (root / "a.md").touch()
            heard.wait_for(b"a.md")
        finally:
            observer.stop()

    @pytest.mark.parametrize("name", ["gone", "file"])
    def test_missing_root(self, root: Path, heard: Heard, name: str) -> None:
        """A root that is not there, or no directory, is an error that names it."""
        (root / "file").touch()
        observer = Observer(heard.on_path, heard.on_lost)
        with pytest.raises(SourceMissingError, match=name):
            observer.watch("s", os.fsencode(root / name))

    def test_root_gone_before_the_start(self, root: Path, heard: Heard) -> None:
        """A root that goes away between `watch` and `start` is the same error; nothing is left."""
        observer = Observer(heard.on_path, heard.on_lost)
        observer.watch("s", os.fsencode(root))
        root.rmdir()
        threads = set(threading.enumerate())
        with pytest.raises(SourceMissingError):
            observer.start()
        assert set(threading.enumerate()) <= threads
        assert not observer.healthy()

    def test_no_more_descriptors(self, root: Path, heard: Heard) -> None:
        """When the kernel gives no inotify instance, the error names the settings."""
        observer = Observer(heard.on_path, heard.on_lost)
        observer.watch("s", os.fsencode(root))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.open("/", os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            with pytest.raises(WatchLimitError) as caught:
                observer.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert "max_user_watches" in caught.value.hint
        assert "max_user_instances" in caught.value.hint


class TestHealth:
    """Losses are told, and a dead part shows."""

    def test_counts_watches(self, observer: Observer, root: Path, heard: Heard) -> None:
        """The kernel holds one watch a directory, those made later included."""
        assert observer.healthy()
        assert observer.watches() == 1
        (root / "a" / "b").mkdir(parents=True)
        until(lambda: observer.watches() == 3)
        assert observer.unwatched() == 0

    def test_stop(self, observer: Observer) -> None:
        """A stopped observer has no threads, no watches, no descriptors, and stops twice."""
        threads = threading.active_count()
        descriptors = open_descriptors()
        observer.stop()
        observer.stop()
        assert not observer.healthy()
        assert observer.watches() == 0
        assert threading.active_count() == threads - 3
        assert open_descriptors() == descriptors - 3

    def test_refused_directories_are_counted(
        self, observer: Observer, root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory that the kernel refuses to watch is counted, not passed over in silence."""
        refusal = "watchdog.observers.inotify_c.inotify_add_watch"
        monkeypatch.setattr(refusal, lambda *_: -1)
        monkeypatch.setattr("watchdog.observers.inotify_c.ctypes.get_errno", lambda: 28)
        (root / "d").mkdir()
        heard.wait_for(b"d")
        assert observer.unwatched() == 1
        assert observer.healthy()

    def test_overflow(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A full kernel queue is told, nothing is rebuilt, and later events come."""
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if limit > 200_000:
            pytest.skip("the kernel's queue is too long to fill in a test")
        for name in ("a", "b"):
            (root / name).touch()
        heard.wait_for(b"a", b"b")
        watches = observer.watches()
        reader = observer._watcher.reader  # type: ignore[union-attr]  # noqa: SLF001  # to hold it up
        with reader._lock:  # noqa: SLF001  # the same
            for _ in range(limit // 2 + 2_100):  # the reader may take some 2,000 at once before
                os.utime(root / "a")
                os.utime(root / "b")
        heard.wait(lambda: "overflow" in heard.losses)
        (root / "late").touch()
        heard.wait_for(b"late")
        assert observer.healthy()
        assert observer.watches() == watches

    def test_reader_death(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A dead reader is told and shows, and stopping gives back its descriptors."""
        descriptors = open_descriptors()
        reader = observer._watcher.reader  # type: ignore[union-attr]  # noqa: SLF001  # to kill it

        def fail() -> None:
            raise KeyError(7)

        reader.read_events = fail
        (root / "a").touch()
        heard.wait(lambda: heard.losses == ["reader died: KeyError(7)"])
        until(lambda: not observer.healthy())
        observer.stop()
        assert open_descriptors() == descriptors - 3

    def test_handler_failure(self, root: Path, heard: Heard) -> None:
        """A callback that raises loses its event, which is told, and the observer lives."""

        def fail(source: str, path: bytes, closed: bool) -> None:  # noqa: FBT001  # the callback
            if path == b"bad":
                raise RuntimeError("no")
            heard.on_path(source, path, closed)

        observer = Observer(fail, heard.on_lost)
        observer.watch("s", os.fsencode(root))
        observer.start()
        try:
            (root / "bad").touch()
            heard.wait(lambda: any("RuntimeError('no')" in why for why in heard.losses))
            (root / "good").touch()
            heard.wait_for(b"good")
            assert observer.healthy()
        finally:
            observer.stop()

    def test_root_deleted(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A deleted root comes as the empty path, is told as a loss, and shows in health."""
        root.rmdir()
        heard.wait_closed(b"")
        heard.wait(lambda: heard.losses == ["root deleted"])
        until(lambda: not observer.healthy())

    def test_root_moved_is_told(self, observer: Observer, root: Path, heard: Heard) -> None:
        """The rename of a root is told at once; that of a directory inside is no loss."""
        (root / "d").mkdir()
        heard.wait_for(b"d")
        (root / "d").rename(root / "e")
        heard.wait_closed(b"e")
        assert heard.losses == []
        root.rename(root.parent / "elsewhere")
        heard.wait(lambda: heard.losses == ["root moved"])

    def test_ailing(self, observer: Observer, root: Path) -> None:
        """What is wrong is said: a root that is gone, one that was replaced, a stop."""
        assert observer.ailing() == ""
        root.rename(root.parent / "elsewhere")
        assert observer.ailing() == "root is gone"
        root.mkdir()
        assert observer.ailing() == "root was replaced"
        observer.stop()
        assert observer.ailing() == "not started"

    def test_denied(
        self, observer: Observer, root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory that may not be read is remembered until it can be."""
        with monkeypatch.context() as patch:
            refusal = "watchdog.observers.inotify_c.inotify_add_watch"
            patch.setattr(refusal, lambda *_: -1)
            patch.setattr("watchdog.observers.inotify_c.ctypes.get_errno", lambda: 13)
            (root / "d").mkdir()
            heard.wait_for(b"d")
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda *_: False)
            assert observer.readable_again() == set()
            (root / "d").chmod(0o700)
            (root / "end").touch()
            heard.wait_for(b"end")
            assert heard.losses == []
        assert observer.readable_again() == {os.fsencode(root / "d")}
        assert observer.unwatched() == 0
        (root / "d").chmod(0o755)
        heard.wait(lambda: "a folder can be read again" in heard.losses)

    def test_attributes(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A change of rights or times alone is heard of."""
        (root / "a.md").touch()
        heard.wait_closed(b"a.md")
        for act in (lambda: (root / "a.md").chmod(0o600), lambda: os.utime(root / "a.md", (1, 1))):
            heard.paths.clear()
            act()
            heard.wait_for(b"a.md")

    def test_skip(self, root: Path, heard: Heard) -> None:
        """A directory that is skipped takes no watch, nor does what lies in it."""
        (root / "no" / "sub").mkdir(parents=True)
        (root / "yes").mkdir()
        observer = Observer(heard.on_path, heard.on_lost)
        observer.watch("s", os.fsencode(root), skip=lambda path: path.split(b"/")[0] == b"no")
        observer.start()
        try:
            assert observer.watches() == 2
            (root / "no" / "later").mkdir()
            (root / "yes" / "later").mkdir()
            heard.wait_for(b"yes/later")
            until(lambda: observer.watches() == 3)
            (root / "no").rename(root / "now")
            heard.wait_for(b"now")
            until(lambda: observer.watches() == 6)
        finally:
            observer.stop()

    @pytest.mark.parametrize("again", [False, True])
    def test_root_renamed(self, observer: Observer, root: Path, again: bool) -> None:  # noqa: FBT001  # a parameter of the test
        """A root that went elsewhere shows in health, also when another takes its place."""
        root.rename(root.parent / "elsewhere")
        if again:
            root.mkdir()
        assert not observer.healthy()

    def test_replaced(self, observer: Observer, root: Path, heard: Heard) -> None:
        """A new observer takes over while the old one still runs."""
        new = Observer(heard.on_path, heard.on_lost)
        new.watch("s", os.fsencode(root))
        new.start()
        try:
            observer.stop()
            (root / "a").touch()
            heard.wait_closed(b"a")
            assert new.healthy()
        finally:
            new.stop()

    def test_descriptor_is_not_inherited(self, observer: Observer) -> None:
        """A child process does not get the inotify descriptor, even if it closes nothing."""
        script = """if True:
            import os
            for name in os.listdir("/proc/self/fd"):
                if os.path.lexists(f"/proc/self/fd/{name}"):
                    print(os.readlink(f"/proc/self/fd/{name}"))
        """
        done = subprocess.run(
            [sys.executable, "-c", script],
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "inotify" not in done.stdout


def test_a_backlog_that_nobody_works_off_is_a_loss(root: Path, heard: Heard) -> None:
    """Events that cannot be handed out in time are dropped from a bound on, and that is told."""
    go_on = threading.Event()

    def slow(source: str, path: bytes, closed: bool) -> None:  # noqa: FBT001  # the callback
        go_on.wait(DEADLINE_S)
        heard.on_path(source, path, closed)

    observer = Observer(slow, heard.on_lost)
    observer.watch("docs", os.fsencode(root))
    observer.start()
    try:
        assert observer._watcher is not None  # noqa: SLF001 - for its limit
        observer._watcher.reader._limit = 500  # noqa: SLF001 - fewer than it is by default
        for number in range(2_000):
            (root / f"{number}.txt").touch()
        until(lambda: kernel.BACKLOGGED in heard.losses)
        held = observer.backlog()
        assert 500 < held < 1_000
        for number in range(2_000):
            (root / f"{number}.txt").touch()
        assert observer.backlog() <= held
        assert heard.losses.count(kernel.BACKLOGGED) == 1
    finally:
        go_on.set()
        observer.stop()
