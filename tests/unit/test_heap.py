"""The C library's heap is told to stay small."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ingestd.memory import heap

COUNT = """
import ctypes, sys, tempfile, threading
from ingestd.memory import heap

if sys.argv[1] == "tuned":
    assert heap.tune()
library = ctypes.CDLL(None)
library.malloc.restype = library.fopen.restype = ctypes.c_void_p
gate = threading.Barrier(9)

def hold():
    library.malloc(100_000)
    gate.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
gate.wait()
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(library.fopen(file.name.encode(), b"w"))
    library.malloc_info(0, stream)
    library.fclose(stream)
    print(file.read().count(b"<heap nr"))
"""


def arenas(how: str) -> int:
    """Heaps of a process in which nine threads allocate."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_threads_share_a_few_arenas() -> None:
    """Without it there is an arena for each thread, and what was freed stays in each."""
    assert arenas("tuned") == heap.ARENAS
    assert arenas("as it is") > heap.ARENAS
