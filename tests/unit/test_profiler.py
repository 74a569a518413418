"""Traces of the running process: begun once, ended always, left for their owner alone."""

from __future__ import annotations

import asyncio
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ingestd import profiler as module
from ingestd import recording
from ingestd.errors import BusyError, DiskFullError, StateError, UnavailableError
from ingestd.profiler import Profiler
from ingestd.recording import Wish
from ingestd.serve.problems import RequestError
from ingestd.space import Space

memray = pytest.importorskip("memray")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_other_tracker(request: pytest.FixtureRequest) -> None:
    """There can be one tracker in a process: these tests are not for ``pytest --memray``."""
    if request.config.getoption("memray", default=False):
        pytest.skip("pytest traces this process itself")


@pytest.fixture
def profiler(tmp_path: Path) -> Iterator[Profiler]:
    """A profiler; whatever the test does, no tracker stays on."""
    profiler = Profiler(tmp_path / "profile", Space((tmp_path,), 0))
    yield profiler
    profiler.close()


async def ended(profiler: Profiler, deadline_s: float = 20.0) -> dict[str, Any]:
    """Wait for the end, without asking as a client does."""
    end = time.monotonic() + deadline_s
    while profiler.running:
        assert time.monotonic() < end, "it does not end"
        await asyncio.sleep(0.01)
    return profiler.state()


def tracker_is_off() -> bool:
    """Whether another trace could begin, and no thread is watched any more."""
    with memray.Tracker("/dev/null"):
        pass
    return sys.getprofile() is None and threading.getprofile() is None


async def test_a_trace_ends_by_itself(profiler: Profiler) -> None:
    """After its time the trace is over, and its file can be read."""
    state = await profiler.start(Wish(seconds=0.3))
    assert (state["state"], state["reason"]) == ("running", "")
    state = await ended(profiler)
    assert (state["state"], state["reason"]) == ("ended", "time")
    assert 0.3 <= state["elapsed_s"] < 5
    file = profiler.folder / state["file"]
    assert state["file_bytes"] == file.stat().st_size
    with memray.FileReader(file) as reader:
        assert reader.metadata.total_allocations > 0
    assert tracker_is_off()


async def test_the_files_are_for_the_owner_alone(profiler: Profiler) -> None:
    """Neither while it is written nor afterwards may others read a trace."""
    state = await profiler.start(Wish())
    [part] = profiler.folder.iterdir()
    assert part.name == state["file"] + ".part"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (part, profiler.folder)]
    state = profiler.end("asked")
    modes.append(stat.S_IMODE((profiler.folder / state["file"]).stat().st_mode))
    assert modes == [0o600, 0o700, 0o600]


async def test_threads_that_were_there_are_traced(profiler: Profiler, tmp_path: Path) -> None:
    """What a thread allocates that began before the trace is told with its whole Python stack."""
    go, done = threading.Event(), threading.Event()
    kept: list[bytearray] = []

    def allocate_in_old_thread() -> None:
        go.wait()
        kept.append(bytearray(12_345_678))
        done.set()

    def outer_in_old_thread() -> None:
        allocate_in_old_thread()

    thread = threading.Thread(target=outer_in_old_thread)
    thread.start()
    await profiler.start(Wish())
    go.set()
    await asyncio.to_thread(done.wait)
    state = profiler.end("asked")
    thread.join()
    with memray.FileReader(profiler.folder / state["file"]) as reader:
        records = list(reader.get_leaked_allocation_records(merge_threads=True))
    stack = max(records, key=lambda record: record.size).stack_trace()
    assert [frame[0] for frame in stack[:2]] == ["allocate_in_old_thread", "outer_in_old_thread"]
    assert len(kept) == 1


async def test_a_second_trace_is_refused(profiler: Profiler) -> None:
    """There is one trace at a time, also when two are asked for in the same moment."""
    results = await asyncio.gather(
        profiler.start(Wish()), profiler.start(Wish()), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["BusyError", "dict"]
    with pytest.raises(BusyError):
        await profiler.start(Wish())
    profiler.end("asked")
    assert (await profiler.start(Wish()))["state"] == "running"


async def test_a_tracker_of_others_is_respected(profiler: Profiler) -> None:
    """A daemon that was started under memray says so, and leaves nothing behind."""
    with memray.Tracker("/dev/null"), pytest.raises(BusyError, match="memray"):
        await profiler.start(Wish())
    assert list(profiler.folder.iterdir()) == []
    assert (await profiler.start(Wish()))["state"] == "running"


async def test_it_ends_when_nobody_asks_any_more(
    profiler: Profiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watched trace ends when its client is gone; one that is not watched goes on."""
    monkeypatch.setattr(module, "CLIENT_S", 0.2)
    await profiler.start(Wish(watched=True))
    assert (await ended(profiler))["reason"] == "client"
    await profiler.start(Wish(seconds=1.0))
    assert (await ended(profiler))["reason"] == "time"


async def test_who_asks_keeps_it_on(profiler: Profiler, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the client asks, its trace goes on."""
    monkeypatch.setattr(module, "CLIENT_S", 1.0)
    await profiler.start(Wish(seconds=2.5, watched=True))
    while profiler.running:
        profiler.state()
        await asyncio.sleep(0.05)
    assert profiler.state()["reason"] == "time"


async def test_it_ends_at_the_size_limit(profiler: Profiler) -> None:
    """The file does not grow for ever."""
    profiler.limit_bytes = 100_000
    await profiler.start(Wish())
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            [bytearray(1_000) for _ in range(100)]

    thread = threading.Thread(target=work)
    thread.start()
    state = await ended(profiler)
    stop.set()
    thread.join()
    assert state["reason"] == "size"


async def test_it_does_not_fill_the_disk(tmp_path: Path) -> None:
    """It does not begin below the watermark of free space, and ends when that is reached."""
    full = Space((tmp_path,), 2**62)
    profiler = Profiler(tmp_path / "profile", full)
    with pytest.raises(DiskFullError):
        await profiler.start(Wish())
    profiler.space = Space((tmp_path,), 0)
    await profiler.start(Wish())
    profiler.space = full
    assert (await ended(profiler))["reason"] == "disk"
    assert tracker_is_off()


async def test_a_stop_ends_it_with_what_there_is(profiler: Profiler) -> None:
    """When the daemon stops, the trace is complete up to there."""
    state = await profiler.start(Wish())
    profiler.close()
    assert profiler.state()["reason"] == "stop"
    with memray.FileReader(profiler.folder / state["file"]) as reader:
        assert reader.metadata.total_allocations > 0
    assert tracker_is_off()


async def test_a_watcher_that_dies_takes_the_trace_along(profiler: Profiler) -> None:
    """No failure of ours leaves a tracker on."""
    await profiler.start(Wish())
    [watcher] = [task for task in asyncio.all_tasks() if task.get_name() == "profile"]
    await asyncio.sleep(0)
    watcher.cancel()
    assert (await ended(profiler))["reason"] == "error"
    assert tracker_is_off()


async def test_an_end_that_is_asked_for_twice(profiler: Profiler) -> None:
    """The first end counts; without a trace there is nothing to end."""
    assert profiler.end("asked") == {"state": "none"}
    await profiler.start(Wish())
    assert profiler.end("asked")["reason"] == "asked"
    assert profiler.end("stop")["reason"] == "asked"


async def test_a_trace_that_nobody_took_makes_room(profiler: Profiler) -> None:
    """There is never more than one file."""
    first = await profiler.start(Wish())
    profiler.end("asked")
    (profiler.folder / "killed.bin.part").write_bytes(b"")
    await profiler.start(Wish())
    second = profiler.end("asked")
    assert [file.name for file in profiler.folder.iterdir()] == [second["file"]]
    assert first["file"]


async def test_the_folder_cannot_be_made(tmp_path: Path) -> None:
    """A file in the place of the folder is told, and nothing is left on."""
    (tmp_path / "profile").write_text("", "utf-8")
    profiler = Profiler(tmp_path / "profile", Space((tmp_path,), 0))
    with pytest.raises(StateError):
        await profiler.start(Wish())
    assert tracker_is_off()


async def test_memray_is_missing(profiler: Profiler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memray the error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(UnavailableError) as raised:
        await profiler.start(Wish())
    assert "pip install memray" in raised.value.hint
    assert profiler.state() == {"state": "none"}


@pytest.mark.parametrize(
    "check",
    ["print('NONE')", "raise RuntimeError('no unwinder')", "import time; time.sleep(60)"],
    ids=["no support", "broken", "hangs"],
)
async def test_native_frames_cannot_be_recorded(
    profiler: Profiler, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """Where memray cannot name native frames, --native is refused with its reason."""
    monkeypatch.setattr(recording, "NATIVE_CHECK", check)
    monkeypatch.setattr(recording, "NATIVE_CHECK_S", 1.5 if "sleep" in check else 30)
    with pytest.raises(UnavailableError, match="native") as raised:
        await profiler.start(Wish(native=True))
    assert "without --native" in raised.value.hint
    assert profiler.state() == {"state": "none"}


async def test_native_frames_are_recorded(profiler: Profiler) -> None:
    """Where memray can, a trace has native frames."""
    if problem := await recording.native_problem():
        pytest.skip(problem)
    state = await profiler.start(Wish(native=True))
    profiler.end("asked")
    with memray.FileReader(profiler.folder / state["file"]) as reader:
        assert reader.metadata.has_native_traces


async def test_every_object_is_recorded(profiler: Profiler) -> None:
    """With ``objects``, small Python objects are told one by one."""
    counts = []
    for objects in (False, True):
        await profiler.start(Wish(objects=objects))
        kept = [object() for _ in range(10_000)]
        state = profiler.end("asked")
        with memray.FileReader(profiler.folder / state["file"]) as reader:
            counts.append(sum(one.n_allocations for one in reader.get_leaked_allocation_records()))
        del kept
    assert counts[0] < 10_000 <= counts[1]


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": "60"},
        {"seconds": True},
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": 3_601},
        {"seconds": float("nan")},
        {"native": 1},
        {"watched": None},
        {"second": 1},
    ],
    ids=str,
)
def test_a_wrong_wish_is_refused(values: dict[str, Any]) -> None:
    """What cannot be meant is told."""
    with pytest.raises(RequestError):
        Wish.of(values)


def test_a_right_wish_is_taken() -> None:
    """What is left out has its default."""
    assert Wish.of({}) == Wish(60.0)
    assert Wish.of({"seconds": 3, "native": True}) == Wish(3.0, native=True)


async def test_nothing_begins_after_the_stop(profiler: Profiler) -> None:
    """A trace that is asked for just before the daemon stops is not begun afterwards."""
    asked = asyncio.create_task(profiler.start(Wish()))
    await asyncio.sleep(0)
    profiler.close()
    with pytest.raises(UnavailableError, match="stopping"):
        await asked
    assert tracker_is_off()
