"""What is said of a trace: the places that took most, in total, at the peak and at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.trace_summary import by_place, summarise

memray = pytest.importorskip("memray")

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = str(Path(__file__).parent) + "/"
MIB = 1024**2


def passing() -> None:
    """Takes much, and gives it back."""
    for _ in range(50):
        bytearray(2 * MIB)


def peaking() -> bytearray:
    """Takes most at one time."""
    return bytearray(9 * MIB)


def keeping() -> bytearray:
    """Takes little, and keeps it."""
    return bytearray(3 * MIB)


def through_library() -> bytes:
    """Has a library allocate."""
    return json.dumps("x" * MIB).encode()


@pytest.fixture(autouse=True)
def _no_other_tracker(request: pytest.FixtureRequest) -> None:
    """There can be one tracker in a process: these tests are not for ``pytest --memray``."""
    if request.config.getoption("memray", default=False):
        pytest.skip("pytest traces this process itself")


@pytest.fixture
def traced(tmp_path: Path) -> Callable[..., Path]:
    """Traces the functions above."""

    def trace(**options: bool) -> Path:
        file = tmp_path / "trace.bin"
        destination = memray.FileDestination(file, compress_on_exit=False)
        with memray.Tracker(destination=destination, **options):
            passing()
            kept = keeping()
            peaking()
            kept += b""
            text = through_library()
        assert kept
        assert text
        return file

    return trace


def names(found: dict[str, Any], kind: str) -> list[str]:
    """The functions that are told, in their order."""
    return [place["function"] for place in found["top"][kind]]


def test_places_are_told_by_what_they_took(traced: Callable[..., Path]) -> None:
    """Total, peak and rest name the right functions, sizes and counts."""
    found = summarise(traced(), [HERE])
    total = found["top"]["total"][0]
    assert (total["function"], total["file"]) == ("passing", __file__)
    assert 100 * MIB <= total["bytes"] < 101 * MIB
    assert total["allocations"] >= 50
    assert names(found, "peak")[:2] == ["peaking", "keeping"]
    assert names(found, "left")[0] == "keeping"
    assert 12 * MIB <= found["peak_bytes"] < 14 * MIB
    assert 4 * MIB <= found["left_bytes"] < 6 * MIB
    assert found["allocated_bytes"] >= 112 * MIB
    assert found["allocations"] >= 52


def test_it_tells_for_whom_a_library_allocates(traced: Callable[..., Path]) -> None:
    """A place in a library comes with the innermost function of ours that led there."""
    left = summarise(traced(), [HERE])["top"]["left"]
    ours = {place["function"]: place["for"]["function"] for place in left if place["for"]}
    assert ours["keeping"] == "keeping"
    assert "through_library" in ours.values()


def test_native_traces_are_summed_up(traced: Callable[..., Path]) -> None:
    """With native frames the place is the innermost of them, and still told for whom."""
    left = summarise(traced(native_traces=True), [HERE])["top"]["left"]
    assert "keeping" in {place["for"]["function"] for place in left if place["for"]}


class Unjoined:
    """What memray gives for memory that Python took while no Python frame was open yet."""

    size, n_allocations = 568, 1

    def stack_trace(self) -> list[tuple[str, str, int]]:
        """No Python frame."""
        return []

    def native_stack_trace(self, _most: int) -> list[tuple[str, str, int]]:
        """The frames of the interpreter."""
        return [("new_keys_object", "dictobject.c", 0)]

    def hybrid_stack_trace(self, _most: int) -> list[tuple[str, str, int]]:
        """Memray's own complaint."""
        raise AssertionError


def test_a_record_whose_frames_memray_cannot_join_is_counted() -> None:
    """One such record among thousands does not cost the summary."""
    records: Any = [Unjoined(), Unjoined()]
    ((frame, ours, found),) = by_place(records, (), native=True)
    assert (frame[0], ours, found.bytes) == ("new_keys_object", None, 2 * 568)


def test_only_so_many_places_are_told(traced: Callable[..., Path]) -> None:
    """The summary is short however long the trace is."""
    found = summarise(traced(), top=1)
    assert [len(places) for places in found["top"].values()] == [1, 1, 1]


def run(file: Path) -> subprocess.CompletedProcess[str]:
    """The program as the command line starts it."""
    command = [sys.executable, "-m", "ingestd.trace_summary", str(file), "--code", HERE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_a_program(traced: Callable[..., Path]) -> None:
    """It prints one JSON object."""
    assert names(json.loads(run(traced()).stdout), "total")[0] == "passing"


def test_a_trace_that_was_cut_off_is_read_as_far_as_it_goes(traced: Callable[..., Path]) -> None:
    """A daemon that is killed leaves half a file; half a file is better than none."""
    file = traced()
    written = file.read_bytes().rstrip(b"\0")  # memray takes room in advance
    file.write_bytes(written[:-50])
    assert json.loads(run(file).stdout)["allocations"] > 0


@pytest.mark.parametrize("content", [b"", b"memray", b"\0" * 10_000, b"hello" * 1_000])
def test_what_is_no_trace_ends_it_with_a_reason(tmp_path: Path, content: bytes) -> None:
    """A file that is no trace is an error of this program alone."""
    file = tmp_path / "trace.bin"
    file.write_bytes(content)
    done = run(file)
    assert done.returncode != 0
    assert done.stderr.strip()
