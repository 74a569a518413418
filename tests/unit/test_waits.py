"""How long the model waits, by a clock that is set by hand."""

from __future__ import annotations

from ingestd.embed.waits import Waits


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_the_model_waits_only_while_there_is_work_on_its_way() -> None:
    """Not before, not while it works, and not when nothing is left for it."""
    clock = Clock()
    waits = Waits(clock)
    clock.now = 10
    with waits.coming():
        clock.now = 12
        assert waits.seconds == 2
        with waits.coming(), waits.running():
            clock.now = 20
            assert waits.seconds == 2
        clock.now = 21
    clock.now = 50
    assert waits.seconds == 3


def test_the_end_of_a_wait_is_kept() -> None:
    """Work that leaves while the model works starts no wait."""
    clock = Clock()
    waits = Waits(clock)
    with waits.running():
        with waits.coming():
            clock.now = 5
        clock.now = 6
    clock.now = 7
    assert waits.seconds == 0
