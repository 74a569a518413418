"""Whatever happens to a tree and to the daemon on it, it ends as a fresh ingest would."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from machine import EmbeddedMachine, ManagedMachine
from model_profiles import LONG, SHORT


def chosen(config: pytest.Config) -> settings:
    """The long profile where it is asked for."""
    return LONG if config.getoption("--hypothesis-profile") == "long" else SHORT


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_any_order_of_operations_ends_as_a_fresh_ingest(pytestconfig: pytest.Config) -> None:
    """Random operations, crashes and restarts: table and collection equal those of a new start."""
    run_state_machine_as_test(EmbeddedMachine, settings=chosen(pytestconfig))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_server_that_is_killed_changes_nothing(pytestconfig: pytest.Config) -> None:
    """The same over a Chroma server of our own, which dies now and then."""
    profile = chosen(pytestconfig)
    few = settings(profile, max_examples=max(2, profile.max_examples // 5))
    run_state_machine_as_test(ManagedMachine, settings=few)
