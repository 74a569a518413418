"""Profiles of the model tests, and what they ran.

    pytest tests/model                              a few examples, always the same
    pytest tests/model --hypothesis-profile=long    many, other ones each time

``INGESTD_MODEL_EXAMPLES`` and ``INGESTD_MODEL_STEPS`` say how many and how long,
``INGESTD_MODEL_GO_ON`` writes findings into ``INGESTD_MODEL_REPORTS`` and goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from model_profiles import LONG

if TYPE_CHECKING:
    import pytest


settings.register_profile("long", LONG)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was run."""
    from model_tally import TALLY

    if TALLY.examples:
        terminalreporter.write_line(f"model: {TALLY.line()}")
