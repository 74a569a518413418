"""The two marks: past ``high`` memory is given back, past ``max`` no new work is begun."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cgroup import Allowed

LEAST = 128 * 1024**2
"""Bytes below which no mark makes sense: the daemon needs as much to start."""
HIGH_SHARE = 0.8
"""``high`` as a share of ``max``, where only that is given."""
GROUP_SHARE = 0.9
"""Our marks as a share of the control group's limits: those also count what the kernel keeps for
us (page cache, sockets), and at its own ``max`` the kernel kills."""
LOW_SHARE = 0.9
"""Memory is given back until it is below this share of ``high``."""


class State(StrEnum):
    """How much memory is taken."""

    OK = "ok"
    """Less than ``high``."""
    HIGH = "high"
    """``high`` was reached; what can be given back is."""
    MAX = "max"
    """``max`` was reached; no new work is begun until it is less than ``high`` again."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Bytes of the daemon and all processes below it; None where there is no such mark."""

    high: int | None = None
    max: int | None = None

    @property
    def low(self) -> int | None:
        """How far memory is given back once the first mark was reached."""
        return _share(self.high or self.max, LOW_SHARE)

    def judge(self, taken: int, before: State) -> State:
        """The state that follows from the bytes taken.

        Args:
            taken: bytes.
            before: the state until now: what is entered at one mark is left below the next.
        """
        if self.max is not None and taken >= self.max:
            return State.MAX
        if self.high is None or self.low is None:
            return State.OK
        if taken >= self.high:
            return State.MAX if before is State.MAX else State.HIGH
        return State.HIGH if before is not State.OK and taken >= self.low else State.OK


def resolve(high: int | None, top: int | None, allowed: Allowed) -> Marks:
    """The marks that apply.

    Args:
        high: as configured; 0 for none, None for the default.
        top: the same for ``max``.
        allowed: by the control group: the default.
    """
    group_top = _share(allowed.max, GROUP_SHARE)
    group_high = _share(allowed.high, GROUP_SHARE)
    if top is None:
        top = group_top
        if top is not None and high:
            high = min(high, top)
    if high is None:
        by_top = _share(top or None, HIGH_SHARE)
        high = min((mark for mark in (group_high, by_top) if mark), default=None)
    return Marks(high or None, top or None)


def _share(limit: int | None, share: float) -> int | None:
    return None if limit is None else int(limit * share)
