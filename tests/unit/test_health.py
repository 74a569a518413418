"""What is wrong with a daemon, told from its signs."""

from __future__ import annotations

import pytest

from ingestd.health import Code, Health, Signs, judge

LIMIT_S = 3600.0


def codes(signs: Signs, *, backlog_s: float = LIMIT_S) -> list[str]:
    """What is found."""
    return [problem.code.value for problem in judge(signs, backlog_s=backlog_s).problems]


def test_nothing_wrong_is_ready() -> None:
    """A daemon without a sign of trouble is alive and ready, and says nothing more."""
    health = judge(Signs(oldest_s=LIMIT_S), backlog_s=LIMIT_S)
    assert (health.alive, health.ready, health.status) == (True, True, "ready")
    assert health.as_json(details=True) == {"status": "ready", "problems": []}


@pytest.mark.parametrize(
    ("signs", "code"),
    [
        (Signs(watchers="reader"), Code.WATCHER_DEAD),
        (Signs(disk="3 MiB are free"), Code.DISK_FULL),
        (Signs(store="no answer"), Code.STORE_AWAY),
        (Signs(state="cannot be read"), Code.STATE_AWAY),
        (Signs(memory="900 MiB are taken"), Code.MEMORY_MAX),
        (Signs(oldest_s=LIMIT_S + 1), Code.BACKLOG_OLD),
        (Signs(paused=("model_missing", "no model", "Add it.")), Code.PAUSED),
        (Signs(stuck="the model has not come back"), Code.STUCK),
    ],
    ids=lambda value: value.value if isinstance(value, Code) else "",
)
def test_each_fault_is_a_reason_not_to_be_ready(signs: Signs, code: Code) -> None:
    """Whatever keeps changes from being indexed turns readiness off, with its reason and a hint."""
    health = judge(signs, backlog_s=LIMIT_S)
    assert [problem.code for problem in health.problems] == [code]
    assert health.status == "degraded"
    assert health.problems[0].message
    assert health.problems[0].hint
    assert health.alive is (code is not Code.STUCK)


@pytest.mark.parametrize(
    ("signs", "code"),
    [
        (Signs(sources={"notes": ("offline", "the folder is not there")}), Code.SOURCE_OFFLINE),
        (Signs(sources={"notes": ("held", "30 of 40 are gone")}), Code.SOURCE_HELD),
        (Signs(polled={"notes": "NFS tells no changes"}), Code.SOURCE_POLLED),
    ],
    ids=["offline", "held", "polled"],
)
def test_one_source_in_trouble_is_told_and_the_rest_goes_on(signs: Signs, code: Code) -> None:
    """What concerns one source is told, and the daemon is ready for the others."""
    health = judge(signs, backlog_s=LIMIT_S)
    assert [problem.code for problem in health.problems] == [code]
    assert health.problems[0].message.startswith("notes: ")
    assert health.ready


def test_a_detached_source_is_no_problem() -> None:
    """A source that was taken out of the configuration is nobody's trouble."""
    assert codes(Signs(sources={"old": ("detached", "")})) == []


def test_start_and_stop_have_their_own_word() -> None:
    """A daemon that starts or stops is not ready, and not degraded either."""
    assert judge(Signs(starting=True), backlog_s=0).status == "starting"
    assert judge(Signs(stopping=True, starting=True), backlog_s=0).status == "stopping"


def test_no_limit_no_old_backlog() -> None:
    """With a limit of 0 nothing ever waits too long."""
    assert codes(Signs(oldest_s=1e9), backlog_s=0) == []


@pytest.mark.parametrize(
    ("paused", "signs"),
    [("disk_full", {"disk": "full"}), ("store", {"store": "away"}), ("state", {"state": "gone"})],
)
def test_a_pause_is_told_once(paused: str, signs: dict[str, str]) -> None:
    """What the job waits for is not told twice when it was seen as well; alone it is told."""
    trouble = (paused, "because", "Do this.")
    both = judge(Signs(paused=trouble, **signs), backlog_s=0).problems
    alone = judge(Signs(paused=trouble), backlog_s=0).problems
    assert [problem.code for problem in both] == [problem.code for problem in alone]
    assert [problem.message for problem in alone] == ["because"]


def test_strangers_get_no_details() -> None:
    """Without details only codes are told: messages may name paths."""
    health = judge(Signs(disk="/secret/place is full"), backlog_s=0)
    assert health.as_json(details=False) == {
        "status": "degraded",
        "problems": [{"code": "disk_full"}],
    }
    assert "/secret/place" in str(health.as_json(details=True))


def test_an_empty_verdict_is_ready() -> None:
    """No problems at all is the best there is."""
    assert Health().ready
