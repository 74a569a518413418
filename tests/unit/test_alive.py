"""When only a restart helps."""

from __future__ import annotations

from ingestd.alive import THREADS_S, TICK_LATE_S, Observed, why_dead


def test_a_daemon_at_rest_is_alive() -> None:
    """Nothing in hand, a clock that ticks, threads that live."""
    assert why_dead(Observed(), stuck_s=600) == ""
    assert why_dead(Observed(600, TICK_LATE_S, THREADS_S), stuck_s=600) == ""


def test_each_thing_that_is_stuck_is_named() -> None:
    """The reason says what is stuck, and for how long."""
    assert "model has not come back for 601 s" in why_dead(Observed(601), stuck_s=600)
    assert "schedule" in why_dead(Observed(tick_s=TICK_LATE_S + 1), stuck_s=600)
    assert "watchers" in why_dead(Observed(deaf_s=THREADS_S + 1), stuck_s=600)
