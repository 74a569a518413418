"""How many processors a model may use, and what they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.engines import cores
from ingestd.memory import cgroup

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, 8), (0.2, 1), (1.4, 1), (1.5, 2), (4.0, 4), (64.0, 8)]
)
def test_the_smaller_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, allowed: float | None, expected: int
) -> None:
    """As many cores as we may run on, within the processor time of the group; at least one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cgroup, "processors", lambda: allowed)
    assert cores.usable_cores() == expected


def _cpuinfo(folder: Path, flags: str, name: str = "Some CPU") -> Path:
    file = folder / "cpuinfo"
    one = f"processor\t: 0\nmodel name\t: {name}\ncpu MHz\t\t: {len(flags)}\nflags\t\t: {flags}\n"
    file.write_text(f"{one}\nprocessor\t: 1\nflags\t\t: other\n")
    return file


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_bf16", True), ("amx_bf16 fpu", True), ("fpu avx2", False), ("", False)],
)
def test_who_computes_in_bfloat16(tmp_path: Path, flags: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """The first processor's flags tell it; where nothing is told, nobody does."""
    assert cores.has_bf16(_cpuinfo(tmp_path, flags)) is expected
    assert not cores.has_bf16(tmp_path / "nowhere")


def test_a_processor_has_an_identity(tmp_path: Path) -> None:
    """It is the same each time, and another for another processor, or where nothing is told."""
    first = cores.identity(_cpuinfo(tmp_path, "fpu"))
    assert cores.identity(_cpuinfo(tmp_path, "fpu")) == first
    others = {
        cores.identity(_cpuinfo(tmp_path, "fpu avx2")),
        cores.identity(_cpuinfo(tmp_path, "fpu", name="Another")),
        cores.identity(tmp_path / "nowhere"),
    }
    assert len(others | {first}) == 4
