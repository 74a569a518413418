"""What the daemon and all below it hold in memory, and how it is given back."""

from __future__ import annotations

import asyncio
import mmap
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ingestd.memory import heap, processes
from ingestd.memory.trimmer import WORTH_PAGES, Trimmer, pages_faulted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024**2
pytestmark = pytest.mark.skipif(not processes.PROC.exists(), reason="there is no /proc")
CHILD = """
import os, sys
held = bytearray(40 * 1024**2)
for at in range(0, len(held), 4096):
    held[at] = 1
if os.fork():
    print("ready", flush=True)
    sys.stdin.read()
    os.wait()
else:
    sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process with 40 MiB, and its fork, which shares them."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    yield process
    process.communicate()


def test_all_below_a_process_are_found(child: subprocess.Popen[str]) -> None:
    """Children and grandchildren, each with its parent, the process itself first."""
    found = processes.tree(os.getpid())
    assert found[0].pid == os.getpid()
    by_pid = {process.pid: process for process in found}
    assert by_pid[child.pid].parent == os.getpid()
    grandchildren = [process for process in found if process.parent == child.pid]
    assert len(grandchildren) == 1
    assert by_pid[child.pid].name.startswith("python")


def test_shared_pages_count_once(child: subprocess.Popen[str]) -> None:
    """Two processes that share 40 MiB hold 40 MiB together, though each shows them as its own."""
    pair = processes.tree(child.pid)
    assert len(pair) == 2
    assert all(process.rss > 40 * MIB for process in pair)
    assert 40 * MIB < sum(process.pss for process in pair) < 70 * MIB


def test_a_process_that_is_gone_has_no_tree(child: subprocess.Popen[str]) -> None:
    """Nobody fails because a child ends while it is looked at."""
    child.communicate()
    assert processes.look(child.pid) is None
    assert processes.tree(child.pid) == []


def test_kernels_that_list_no_children(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """There every process is asked for its parent; and RSS without shared pages stands in."""
    for process in processes.tree(os.getpid()):
        folder = tmp_path / str(process.pid)
        folder.mkdir()
        for name in ("statm", "stat", "cmdline"):
            (folder / name).write_bytes((processes.PROC / str(process.pid) / name).read_bytes())
    found = processes.tree(os.getpid(), tmp_path)
    assert child.pid in {process.pid for process in found}
    assert len(found) >= 3
    assert all(0 < process.pss < process.rss for process in found)


def test_modules_are_named() -> None:
    """A Python process is called by what it runs."""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as server:
        deadline = time.monotonic() + 10
        while (found := processes.look(server.pid)) is None or found.name != "http.server":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.terminate()


def test_free_pages_are_given_back() -> None:
    """What small objects leave in the heap goes back to the system."""
    code = (
        "import ctypes, sys\n"
        "from ingestd.memory import heap, processes\n"
        "import os\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "held = [libc.malloc(4000) for _ in range(20000)]\n"
        "for at in held: ctypes.memset(at, 1, 4000)\n"
        "last = libc.malloc(4000)\n"  # what keeps the top of the heap in place
        "for at in held: libc.free(ctypes.c_void_p(at))\n"
        "before = processes.look(os.getpid()).rss\n"
        "done = heap.trim()\n"
        "print(int(done), before - processes.look(os.getpid()).rss)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    if out[0] == "0":
        pytest.skip("the C library cannot trim")
    assert int(out[1]) > 60 * MIB


def test_an_idle_daemon_is_not_trimmed() -> None:
    """Only after much memory went in and out; then once."""
    faults, trims = [0], []
    trimmer = Trimmer(lambda: trims.append(1), lambda: faults[0])

    async def ticks() -> None:
        await trimmer.tick()
        faults[0] += WORTH_PAGES
        await trimmer.tick()
        await trimmer.tick()
        faults[0] += WORTH_PAGES - 1
        await trimmer.tick()

    asyncio.run(ticks())
    assert trims == [1]
    assert trimmer.times == 1


def test_work_shows_in_page_faults() -> None:
    """Memory that comes and goes is seen, whoever it was for."""
    before = pages_faulted()
    for _ in range(3):
        held = mmap.mmap(-1, 16 * MIB)  # an allocator may have had some of it before
        held.write(b"x" * len(held))
        held.close()
    assert pages_faulted() - before >= 3 * 16 * 256 / 2
    heap.collect()
