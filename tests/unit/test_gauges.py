"""The numbers of the daemon: read on demand, none hinders another."""

from __future__ import annotations

import json

import pytest

from ingestd.gauges import Gauges


def test_gauges_are_read_in_their_order() -> None:
    """Each with its unit, bound and meaning, ready for JSON."""
    gauges = Gauges()
    gauges.add("inbox_paths", lambda: 7, limit=100, help="paths that wait")
    gauges.add(
        "process_memory_bytes",
        lambda: {"daemon": 5.0, "chroma": 6.0},
        unit="bytes",
        label="process",
        help="memory",
    )
    gauges.add("losses_total", lambda: 1, total=True, help="losses")
    found = gauges.read()
    assert [reading.name for reading in found] == [
        "inbox_paths",
        "process_memory_bytes",
        "losses_total",
    ]
    assert json.loads(json.dumps(found[1].as_json())) == {
        "name": "process_memory_bytes",
        "value": {"daemon": 5.0, "chroma": 6.0},
        "unit": "bytes",
        "limit": None,
        "help": "memory",
        "label": "process",
        "total": False,
    }
    assert (found[0].value, found[0].limit, found[2].total) == (7, 100, True)


def test_one_that_fails_has_no_value() -> None:
    """What is closed at the moment hides nothing else."""
    gauges = Gauges()

    def closed() -> float:
        raise RuntimeError

    gauges.add("a", closed, help="a")
    gauges.add("b", lambda: None, help="b")
    gauges.add("c", lambda: 3, help="c")
    assert [reading.value for reading in gauges.read()] == [None, None, 3]


def test_names_are_used_once() -> None:
    """Two gauges of one name would be one to whoever reads them."""
    gauges = Gauges()
    gauges.add("a", lambda: 1, help="a")
    with pytest.raises(ValueError, match="two gauges called a"):
        gauges.add("a", lambda: 2, help="a")
