"""How a cost grows with what is there already: rates by segment, exponents, and where it bends."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.census import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.census import Sample

STEPS = (1, 2, 5)
FIRST = 1_000
"""Until there are so many chunks, processes still start and caches are empty."""
BENDS = 1.25
"""A segment whose chunks take so many times the least seconds is no longer linear."""
DECADE = 10
LEAST_POINTS = 5
ROUGHLY = 0.5
"""A last segment shorter than this share of what it should be joins the one before."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What the chunks between two numbers of them cost.

    Attributes:
        first: chunks at its beginning.
        last: chunks at its end.
        seconds: wall time.
        documents_per_s: documents indexed a second.
        chunks_per_s: chunks made live a second.
        cpu_ms: processor milliseconds a chunk, by role.
    """

    first: int
    last: int
    seconds: float
    documents_per_s: float
    chunks_per_s: float
    cpu_ms: dict[str, float]

    @property
    def ms_a_chunk(self) -> float:
        """Wall time."""
        return 1000 / self.chunks_per_s

    @property
    def cores(self) -> dict[str, float]:
        """How many cores each role kept busy."""
        return {role: ms / self.ms_a_chunk for role, ms in self.cpu_ms.items()}

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        cores = {role: round(value, 3) for role, value in self.cores.items()}
        return {**asdict(self), "cores": cores}


def rising(samples: Sequence[Sample]) -> list[Sample]:
    """Samples that have more chunks than those before; of several with as many, the first."""
    kept: list[Sample] = []
    for sample in samples:
        if not kept or sample.chunks > kept[-1].chunks:
            kept.append(sample)
    return kept


def bounds(most: int) -> list[int]:
    """Ends of segments up to a number of chunks: 1, 2 and 5 times the powers of ten."""
    ends = [
        step * 10**power
        for power in range(round(math.log10(FIRST)), len(str(most)) + 1)
        for step in STEPS
    ]
    kept = [end for end in ends if end < most]
    if not kept:
        return [0, most]
    if len(kept) > 1 and most - kept[-1] < ROUGHLY * (ends[len(kept)] - kept[-1]):
        kept.pop()
    return [*kept, most]


def segments(samples: Sequence[Sample]) -> list[Segment]:
    """What each segment cost, with straight lines between the samples."""
    kept = rising(samples)
    if not kept or not kept[-1].chunks:
        return []
    ends = bounds(kept[-1].chunks)
    at = _Between(kept)
    return [_segment(at, first, last) for first, last in itertools.pairwise(ends)]


class _Between:
    """The samples as functions of the number of chunks."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._chunks = [sample.chunks for sample in samples]
        self._samples = samples

    def seconds(self, chunks: int) -> float:
        return self._of(chunks, [sample.at_s for sample in self._samples])

    def documents(self, chunks: int) -> float:
        return self._of(chunks, [sample.documents for sample in self._samples])

    def cpu_s(self, chunks: int, role: str) -> float:
        return self._of(chunks, [sample.cpu_s[role] for sample in self._samples])

    def _of(self, chunks: int, values: Sequence[float]) -> float:
        return float(np.interp(chunks, self._chunks, values))


def _segment(at: _Between, first: int, last: int) -> Segment:
    seconds, number = max(at.seconds(last) - at.seconds(first), 1e-9), last - first
    return Segment(
        first,
        last,
        round(seconds, 3),
        round((at.documents(last) - at.documents(first)) / seconds, 2),
        round(number / seconds, 2),
        {
            role: round(1000 * (at.cpu_s(last, role) - at.cpu_s(first, role)) / number, 4)
            for role in ROLES
        },
    )


def exponents(samples: Sequence[Sample]) -> dict[str, float]:
    """How the time grows with the chunks, by decade: 1 is linear, 2 quadratic.

    One more than the slope of what a chunk costs over the chunks that are there, both as
    logarithms; so an early start-up does not flatten what comes later.
    """
    kept = rising(samples)
    found = {}
    low = FIRST
    while kept and low < kept[-1].chunks:
        pairs = [
            (math.log(math.sqrt(a.chunks * b.chunks)), math.log((b.at_s - a.at_s) / step))
            for a, b in itertools.pairwise(kept)
            if a.chunks >= low and b.chunks <= DECADE * low
            for step in [b.chunks - a.chunks]
        ]
        if len(pairs) >= LEAST_POINTS:
            xs, ys = zip(*pairs, strict=True)
            slope = float(np.polyfit(xs, ys, 1)[0])
            found[f"{low:,} to {min(DECADE * low, kept[-1].chunks):,}"] = round(1 + slope, 3)
        low *= DECADE
    return found


def by_vector(samples: Sequence[Sample]) -> dict[str, float]:
    """Bytes a chunk: the slopes of memory and disk over the second half of the chunks."""
    kept = [each for each in rising(samples) if 2 * each.chunks >= samples[-1].chunks]
    if len(kept) < LEAST_POINTS:
        return {}
    chunks = [sample.chunks for sample in kept]
    columns = {f"rss of {role}": [sample.rss[role] for sample in kept] for role in ROLES}
    columns |= {f"disk of {name}": [each.disk[name] for each in kept] for name in kept[0].disk}
    return {
        name: round(float(np.polyfit(chunks, values, 1)[0]), 1) for name, values in columns.items()
    }


def bend(found: Sequence[Segment]) -> Segment | None:
    """The first segment whose chunks take much longer than the quickest before it did."""
    least = math.inf
    for segment in found:
        if segment.ms_a_chunk > BENDS * least:
            return segment
        least = min(least, segment.ms_a_chunk)
    return None


def finding(found: Sequence[Segment]) -> str:
    """In a sentence or two: where the growth stops being linear, and who works more there."""
    if len(found) < 2:  # noqa: PLR2004 - a bend needs a before and an after
        return "Too few chunks to tell how the time grows."
    quickest = min(found, key=lambda segment: segment.ms_a_chunk)
    last, bent = found[-1], bend(found)
    busy = ", ".join(f"{role} {cores:.2f}" for role, cores in last.cores.items())
    told = (
        f"No segment takes more than {BENDS} times the quickest before it."
        if bent is None
        else f"Linear up to {bent.first:,} chunks: from there to {bent.last:,}, a chunk takes"
        f" {bent.ms_a_chunk:.2f} ms of wall time, and {quickest.ms_a_chunk:.2f} ms at the quickest."
    )
    more = {role: last.cpu_ms[role] - quickest.cpu_ms[role] for role in ROLES}
    role = max(more, key=lambda role: more[role])
    grown = (
        f" A chunk takes {quickest.cpu_ms[role]:.2f} ms of processor time of {role} at the"
        f" quickest, {last.cpu_ms[role]:.2f} ms at the end."
    )
    return f"{told}{grown} Cores busy at the end: {busy}."
