"""How much is run: the short profile each time, the long one by command."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings


def profile(examples: int, steps: int, *, repeats: bool) -> settings:
    """Settings for so many examples of so many operations.

    No shrinking: each try takes seconds, and what depends on time does not shrink well.
    """
    return settings(
        settings.get_profile("default"),
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=repeats,
        print_blob=not repeats,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )


SHORT = profile(5, 14, repeats=True)
LONG = profile(
    int(os.environ.get("INGESTD_MODEL_EXAMPLES", "200")),
    int(os.environ.get("INGESTD_MODEL_STEPS", "40")),
    repeats=False,
)
