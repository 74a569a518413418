"""Changes on disk reach the state table, and whatever breaks on the way is seen and mended."""

from __future__ import annotations

import asyncio
import errno
import os
import unicodedata
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent

from ingestd import bulletin, follow, renewals
from ingestd.follow import Follower
from ingestd.reconcile import Reconciler
from ingestd.scans import Scans
from ingestd.settings.running import WatchSettings
from ingestd.watch import kernel
from ingestd.watch.kernel import Reader
from ingestd_state import documents, runs, sources
from ingestd_state.engine import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ingestd.watch.source import WatchedSource
    from ingestd_state.engine import Database

DEADLINE_S = 60.0
QUICK = WatchSettings(settle_ms=50, max_wait_s=1.0)


class Line:
    """A follower and its scans over one source, on the running loop."""

    def __init__(self, database: Database, source: WatchedSource, place: Path) -> None:
        self.database = database
        self.source = source
        self.root = Path(os.fsdecode(source.root))
        self.distrusted: list[set[str]] = []
        self.reconciler = Reconciler(database)
        watched = {source.name: source}
        self.scans = Scans(self.reconciler, watched, on_scanned=lambda: None, first_pause_s=0.05)
        self.follower = Follower(
            self.reconciler,
            watched,
            QUICK,
            canary=place / "canary",
            on_change=lambda _: None,
            on_distrust=self._distrust,
        )

    def _distrust(self, names: set[str]) -> None:
        self.distrusted.append(names)
        self.scans.soon(names)

    @property
    def reader(self) -> Reader:
        """The thread that reads the kernel's queue, to break it."""
        return self.follower._watchers._observer._watcher.reader  # type: ignore[union-attr]  # noqa: SLF001 - to break it

    async def renew(self, reason: str) -> None:
        """Replace the watchers, although nothing was lost."""
        await self.follower._renewals.replace(reason, lost=False)  # noqa: SLF001 - without a fault

    def states(self) -> dict[bytes, str]:
        """Statuses by path."""
        with self.database.read() as connection:
            return {d.path: d.status.value for d in documents.by_path(connection)}

    def mode(self) -> str:
        """How the source is followed, as recorded."""
        return self.remembered().watching

    def remembered(self) -> sources.Source:
        """The source's row."""
        with self.database.read() as connection:
            return next(s for s in sources.all_sources(connection) if s.id == self.source.id)

    def losses(self) -> list[str]:
        """The recorded losses, newest first."""
        with self.database.read() as connection:
            return [run.outcome for run in runs.last(connection) if run.kind == bulletin.LOST]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds, or fail."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - it is the disk that is waited for
                await asyncio.sleep(0.01)

    async def known(self, *names: bytes | str) -> None:
        """Wait until documents at all these paths are in the table."""
        wanted = {os.fsencode(name) for name in names}
        await self.until(lambda: wanted <= self.states().keys())


@asynccontextmanager
async def running(database: Database, source: WatchedSource, place: Path) -> AsyncIterator[Line]:
    """A line at work, its first scan done."""
    line = Line(database, source, place)
    await asyncio.to_thread(line.follower.start)
    line.scans.soon({source.name})
    tasks = [asyncio.create_task(line.follower.follow()), asyncio.create_task(line.scans.run())]
    try:
        await line.until(lambda: line.scans.complete)
        yield line
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(line.follower.stop)
        await asyncio.sleep(0)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results


@pytest.fixture
async def line(
    database: Database, source: Callable[..., WatchedSource], tmp_path: Path
) -> AsyncIterator[Line]:
    """A line over an empty source."""
    async with running(database, source(), tmp_path) as line:
        yield line


class TestPaths:
    """What happens on disk comes to the table."""

    async def test_files_come_and_go(self, line: Line) -> None:
        """A new file is recorded, a deleted one becomes a tombstone, with no scan in between."""
        for name in ("a.md", "b.md"):
            (line.root / name).write_text("x")
        await line.known("a.md", "b.md")
        (line.root / "a.md").unlink()
        await line.until(lambda: line.states()[b"a.md"] == "deleted")
        assert line.distrusted == []

    @pytest.mark.parametrize(
        "name", [b"caf\xe9.md", unicodedata.normalize("NFD", "초안.md").encode(), b"a\nb.md"]
    )
    async def test_names(self, line: Line, name: bytes) -> None:
        """Names are recorded in the bytes that they have on disk."""
        (line.root / os.fsdecode(name)).touch()
        await line.known(name)

    async def test_a_file_that_is_never_quiet(self, line: Line) -> None:
        """A file that is written to all the time is taken at the longest wait."""
        with (line.root / "log.md").open("a") as file:
            async with asyncio.timeout(DEADLINE_S):
                while b"log.md" not in line.states():
                    file.write("more\n")
                    file.flush()
                    await asyncio.sleep(0.01)

    async def test_a_change_of_rights(self, line: Line) -> None:
        """A chmod, which may make a file readable, has the file looked at again."""
        (line.root / "a.md").write_text("x")
        await line.known("a.md")
        found: list[Any] = []
        line.follower._looks._on_change = found.append  # noqa: SLF001 - to listen in
        (line.root / "a.md").chmod(0o600)
        await line.until(lambda: any(one.seen for one in found))

    async def test_a_burst_of_deletions_is_judged_as_a_whole(self, line: Line) -> None:
        """When most files go one after the other, none is deleted: the source is held."""
        names = [f"{number}.md" for number in range(60)]
        for name in names:
            (line.root / name).write_text("x")
        await line.known(*names)
        for name in names[:50]:
            (line.root / name).unlink()
        await line.until(lambda: line.remembered().status == "held")
        assert set(line.states().values()) == {"pending"}

    async def test_a_path_that_somebody_else_found_gone(self, line: Line) -> None:
        """A path may be handed in from outside, and is looked at like after an event."""
        (line.root / "a.md").write_text("x")
        await line.known("a.md")
        line.follower.look_soon("docs", [b"a.md", b"never.md"])
        await line.until(lambda: len(line.follower._inbox) == 0)  # noqa: SLF001 - to see it go
        assert set(line.states()) == {b"a.md"}


class TestRules:
    """What the rules leave out takes no watch."""

    async def test_an_excluded_folder_is_not_watched(self, line: Line) -> None:
        """Folders of dependencies take no watches; when the rules let them in, they do."""
        before = line.reader.watches()
        for name in ("node_modules/a/b", ".git/objects/00", "docs"):
            (line.root / name).mkdir(parents=True)
        (line.root / "docs" / "x.md").touch()
        await line.known("docs/x.md")
        assert line.reader.watches() == before + 1
        (line.root / ".ingestignore").write_text("!node_modules/\n")
        await line.until(lambda: len(line.distrusted) > 0)
        assert line.follower.lost == 0
        (line.root / "node_modules" / "a" / "b" / "y.md").touch()
        await line.known("node_modules/a/b/y.md")
        await line.until(lambda: line.reader.watches() == before + 4)


class TestLosses:
    """Each way to lose events is noticed, counted, told and mended."""

    async def lose(self, line: Line, reason: str) -> None:
        """Wait for the loss; then a file from before and one from after must be found."""
        await line.until(lambda: line.follower.lost == 1 and line.follower.healthy())
        await line.until(lambda: bool(line.losses()))
        assert line.losses()[0].startswith(reason)
        await line.until(lambda: {"docs"} in line.distrusted)
        (line.root / "after.md").touch()
        await line.known("before.md", "after.md")
        await line.follower.check()
        assert line.follower.lost == 1

    async def test_overflow(self, line: Line) -> None:
        """The kernel's queue was full."""
        line.reader.handle_event(
            InotifyEvent(-1, InotifyConstants.IN_Q_OVERFLOW, 0, b"")  # type: ignore[arg-type]
        )
        (line.root / "before.md").touch()
        await self.lose(line, "overflow")

    async def test_dead_reader(self, line: Line) -> None:
        """The thread that reads died."""

        def fail() -> None:
            raise KeyError(7)

        line.reader.read_events = fail  # type: ignore[method-assign,assignment]
        (line.root / "before.md").touch()
        await self.lose(line, "reader died")

    async def test_dead_dispatcher(self, line: Line) -> None:
        """The thread that dispatches died, which nothing but a check tells."""
        watcher = line.follower._watchers._observer._watcher  # type: ignore[union-attr]  # noqa: SLF001 - to kill it
        assert watcher is not None

        watcher.stopped_event.set()  # it ends after the next event, and nothing else does
        (line.root / "before.md").touch()
        await line.until(lambda: not watcher.is_alive())
        await line.follower.check()
        await self.lose(line, "dispatcher died")

    async def test_a_canary_that_does_not_sing(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All threads live, and yet no event comes through."""
        monkeypatch.setattr(follow, "CANARY_ANSWER_S", 0.1)
        with monkeypatch.context() as patch:
            patch.setattr(Reader, "handle_event", lambda *_: None)
            (line.root / "before.md").touch()
            await line.follower.check()
        monkeypatch.setattr(follow, "CANARY_ANSWER_S", 5.0)
        await line.renew("deaf again")
        await self.lose(line, "no answer")

    async def test_a_canary_without_its_folder(self, line: Line, tmp_path: Path) -> None:
        """Somebody removed the folder of the canary: it is made anew, with new watchers."""
        (line.root / "before.md").touch()
        await line.follower.check()
        assert line.follower.lost == 0
        for path in (tmp_path / "canary").iterdir():
            path.unlink()
        (tmp_path / "canary").rmdir()
        await line.follower.check()
        await self.lose(line, line.losses()[0])

    async def test_root_deleted_and_made_anew(self, line: Line) -> None:
        """A root that was deleted is watched again when it is back; nothing was deleted."""
        (line.root / "old.md").touch()
        await line.known("old.md")
        (line.root / "old.md").rename(line.root.parent / "kept.md")
        line.root.rmdir()
        await line.until(lambda: line.follower.lost == 1 and bool(line.follower.unwatched()))
        await line.until(lambda: line.remembered().status == "offline")
        assert line.states() == {b"old.md": "pending"}
        line.root.mkdir()
        (line.root.parent / "kept.md").rename(line.root / "old.md")
        await line.until(lambda: line.remembered().status == "online")
        (line.root / "new.md").touch()
        await line.known("new.md", "old.md")
        assert line.follower.lost == 1

    async def test_root_renamed_away_and_back(self, line: Line) -> None:
        """While it is away the source is offline; when it is back it is online by itself."""
        (line.root / "a.md").touch()
        await line.known("a.md")
        line.root.rename(line.root.parent / "away")
        await line.until(lambda: line.remembered().status == "offline")
        assert line.losses() == ["root moved"]
        assert line.states() == {b"a.md": "pending"}
        (line.root.parent / "away").rename(line.root)
        await line.until(lambda: line.remembered().status == "online")
        (line.root / "b.md").touch()
        await line.known("b.md")

    async def test_losses_in_a_storm_are_mended_one_after_the_other(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Many reports of one loss make one replacement; one of the new watchers makes another."""
        monkeypatch.setattr(renewals, "PAUSE_S", 0.01)
        event = InotifyEvent(-1, InotifyConstants.IN_Q_OVERFLOW, 0, b"")  # type: ignore[arg-type]
        old = line.reader
        for _ in range(100):
            old.handle_event(event)
        await line.until(lambda: len(line.distrusted) == 1)
        for _ in range(100):
            old.handle_event(event)
        await line.follower.check()
        assert line.follower.lost == 1
        line.reader.handle_event(event)
        await line.until(lambda: len(line.distrusted) == 2)
        assert line.follower.lost == 2
        assert line.follower.healthy()


class TestPolling:
    """A source that events tell too little of is scanned at an interval, and says so."""

    async def test_events(self, line: Line) -> None:
        """On a local disk nothing is polled."""
        assert line.follower.polled() == set()
        assert line.mode() == "events"
        await line.follower.poll_due()
        assert line.distrusted == []

    async def test_configured(
        self, database: Database, source: Callable[..., WatchedSource], tmp_path: Path
    ) -> None:
        """A source that is configured so takes no watches, and its changes are found by polls."""
        async with running(database, replace(source(), polled=True), tmp_path) as line:
            assert line.reader.watches() == 1  # the canary's
            assert line.mode() == "polling: configured"
            (line.root / "a.md").touch()
            await line.follower.poll_due()
            await line.known("a.md")

    async def test_no_watches_left(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the kernel refuses watches the source is polled, until it gives them again."""
        for name in ("a", "b"):
            (line.root / name).mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(kernel.InotifyFD, "add_callback", refusing(b"docs/"))
            await line.renew("test")
        assert line.mode() == "polling: the kernel refused watches for 2 folders"
        assert line.follower.polled() == {"docs"}
        assert line.follower.lost == 0
        (line.root / "a" / "x.md").touch()
        await line.follower.poll_due()
        await line.known("a/x.md")
        line.follower._watchers._retry_s = 0.0  # noqa: SLF001 - to save the time
        await line.follower.check()
        assert line.mode() == "events"

    async def test_not_a_single_watch(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even without any watch the daemon goes on, by polling, and nothing counts as lost."""
        with monkeypatch.context() as patch:
            patch.setattr(kernel.InotifyFD, "add_callback", refusing(b""))
            await line.renew("test")
            await line.follower.check()
            assert line.follower.polled() == {"docs"}
            assert line.follower.lost == 0
            (line.root / "a.md").touch()
            await line.follower.poll_due()
            await line.known("a.md")
        line.follower._watchers._retry_s = 0.0  # noqa: SLF001 - to save the time
        await line.follower.check()
        assert line.mode() == "events"

    async def test_a_silent_file_system(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        """A source on a network file system is polled and not watched."""
        root = os.fsencode(line.root)
        told = b"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / " + root + b" rw - nfs4 x rw\n"
        real = follow.Watchers.arm.__globals__["mounts"].table
        monkeypatch.setattr("ingestd.watchers.mounts.table", lambda: real(told))
        await line.renew("test")
        assert line.mode() == "polling: nfs4 tells of no change"
        assert line.reader.watches() == 1


class TestRights:
    """A folder that could not be read when it came."""

    async def test_it_is_watched_when_it_can_be_read(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A chmod has new watches made, without a loss; what changes below is heard of."""
        with monkeypatch.context() as patch:
            patch.setattr(kernel.InotifyFD, "add_callback", lambda *_: -1)
            (line.root / "d").mkdir()
            await line.until(lambda: any(region.denied for region in line.reader.regions))
        (line.root / "d").chmod(0o700)
        await line.until(lambda: bool(line.distrusted))
        (line.root / "d" / "a.md").touch()
        await line.known("d/a.md")
        assert line.follower.lost == 0

    async def test_it_is_tried_once_when_the_kernel_still_refuses(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rights say yes and the kernel no: that is no reason to scan all again at each check."""
        (line.root / "d").mkdir()
        refused = kernel.InotifyFD.add_callback

        def refuse(self: Any, path: bytes, *arguments: Any) -> Any:
            return -1 if path.endswith(b"/d") else refused(self, path, *arguments)

        monkeypatch.setattr(kernel.InotifyFD, "add_callback", refuse)
        await line.renew("test")
        for _ in range(3):
            await line.follower.check()
        assert len(line.distrusted) == 2


class TestMounts:
    """A mount inside a source that comes or goes."""

    async def test_a_bind_mount_that_comes_later(self, line: Line, tmp_path: Path) -> None:
        """Its files are found at once, and so are later changes in it; nothing counts as lost."""
        if os.geteuid() != 0:
            pytest.skip("only root may mount")
        (tmp_path / "origin").mkdir()
        (tmp_path / "origin" / "old.md").touch()
        (line.root / "here").mkdir()
        if await run("mount", "--bind", str(tmp_path / "origin"), str(line.root / "here")):
            pytest.skip("mounting is not allowed here")
        try:
            await line.known("here/old.md")
            (line.root / "here" / "new.md").touch()
            await line.known("here/new.md")
            assert line.follower.lost == 0
        finally:
            await run("umount", str(line.root / "here"))

    async def test_a_file_system_that_goes_keeps_its_documents(self, line: Line) -> None:
        """What was on it is held, not deleted, while other deletions go through; then it is back.

        The kernel tells of the end of the file system; a bind mount's is seen in the mount table.
        """
        if os.geteuid() != 0:
            pytest.skip("only root may mount")
        (line.root / "disk").mkdir()
        image = line.root.parent / "image"
        image.mkdir()
        if await run("mount", "-t", "tmpfs", "none", str(image)):
            pytest.skip("mounting is not allowed here")
        await run("mount", "--bind", str(image), str(line.root / "disk"))
        try:
            for name in ("disk/a.md", "disk/sub/b.md", "own.md", "other.md"):
                (line.root / name).parent.mkdir(exist_ok=True)
                (line.root / name).touch()
            await line.known("disk/a.md", "disk/sub/b.md", "own.md", "other.md")
            await run("umount", str(line.root / "disk"))
            await line.until(lambda: line.remembered().status == "held")
            assert "not mounted" in line.remembered().reason
            assert "deleted" not in line.states().values()
            (line.root / "own.md").unlink()
            await line.until(lambda: line.states()[b"own.md"] == "deleted")
            assert [s for p, s in line.states().items() if p.startswith(b"disk")] == ["pending"] * 2
            await run("mount", "--bind", str(image), str(line.root / "disk"))
            await line.until(lambda: line.remembered().status == "online")
            assert line.states()[b"disk/a.md"] == "pending"
        finally:
            await run("umount", str(line.root / "disk"))
            await run("umount", str(image))


class TestStateAway:
    """The state table cannot be written for a while."""

    async def test_nothing_is_lost(self, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
        """Changes during the outage are found by a scan after it, whatever they were."""
        (line.root / "old.md").touch()
        await line.known("old.md")
        with monkeypatch.context() as patch:
            away(patch, line.database)
            (line.root / "new.md").touch()
            (line.root / "old.md").unlink()
            await line.until(lambda: {"docs"} in line.distrusted)
            await line.follower.check()
            await line.until(lambda: line.scans._pause_s > 0.05)  # noqa: SLF001 - it tries
        await line.known("new.md")
        await line.until(lambda: line.states()[b"old.md"] == "deleted")
        assert line.scans.complete


def refusing(part: bytes) -> Callable[..., Any]:
    """An `add_callback` that refuses directories with this in their path, as a full kernel does."""
    real = kernel.InotifyFD.add_callback

    def add(self: Any, path: bytes, *arguments: Any) -> Any:
        if part in path:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return real(self, path, *arguments)

    return add


def away(patch: pytest.MonkeyPatch, database: Database) -> None:
    """Let nobody write, as when another process holds the table for too long."""

    @contextmanager
    def write() -> Iterator[None]:
        raise DatabaseError("database is locked")
        yield

    patch.setattr(database, "write", write)


async def run(*command: str) -> int:
    """Run a program; its exit status."""
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()
