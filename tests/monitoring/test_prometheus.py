"""Dashboard and alert rules: against a real Prometheus that reads a real daemon."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from board import BOARD, METRIC, RULE_TESTS, RULES, hurried, measured, panels, rules
from prometheus import MISSING, REASON, Prometheus
from watched import TOKEN, Watched, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
needs_prometheus = pytest.mark.skipif(MISSING, reason=REASON)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A daemon with documents."""
    folder = tmp_path_factory.mktemp("watched")
    docs = folder / "docs"
    docs.mkdir()
    for number in range(20):
        (docs / f"{number}.md").write_text(f"# Number {number}\n\nText {number}.\n", "utf-8")
    with Watched(docs, folder / "state") as one:
        yield one


@pytest.fixture(scope="module")
def prometheus(daemon: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the hurried rules, which has read the daemon while it was at work."""
    folder = tmp_path_factory.mktemp("prometheus") / "prometheus"
    with Prometheus(folder, free_port(), [f"127.0.0.1:{daemon.page}"], hurried(), TOKEN) as one:
        eventually(lambda: one.ask("ingestd_ready"))
        for number in range(60):
            (daemon.folder / f"{number % 20}.md").write_text(f"# Edit\n\nText {number}.\n", "utf-8")
            if number % 10 == 9:
                eventually(lambda: one.ask("ingestd_queue_documents < 2"))
        eventually(lambda: one.ask('rate(ingestd_chunks_total{action="embedded"}[20s]) > 0'))
        yield one


def test_each_alert_tells_what_to_do() -> None:
    """Each has severity, texts, and a section of its own in the documentation, and none is left."""
    sections = re.findall(r"^## (\w+)$", (DOCS / "alerts.md").read_text("utf-8"), re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        notes = rule["annotations"]
        assert notes["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert notes["summary"]
        assert notes["description"]


def test_the_dashboard_can_be_imported() -> None:
    """Panels have ids of their own, do not overlap, and take the data source that is chosen."""
    board = json.loads(BOARD.read_text("utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        assert panel.get("datasource", {}).get("uid", "${datasource}") == "${datasource}"


def test_every_metric_is_there_and_documented(daemon: Watched) -> None:
    """What rules, dashboard and documentation name is told by the daemon, and the other way."""
    told = daemon.metrics()
    families = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    text = (DOCS / "metrics.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert listed == families
    named = {name for _, expression in panels() for name in METRIC.findall(expression)}
    named |= {name for rule in rules() for name in METRIC.findall(rule["expr"])}
    series = {line.partition("{")[0].partition(" ")[0] for line in told.splitlines()}
    assert named <= series


@needs_prometheus
def test_promtool_has_no_complaint(daemon: Watched) -> None:
    """Rules, their tests, and the metrics themselves pass Prometheus' own linter."""
    for arguments, given in (
        (["check", "rules", str(RULES)], ""),
        (["test", "rules", str(RULE_TESTS)], ""),
        (["check", "metrics"], daemon.metrics()),
    ):
        done = subprocess.run(
            ["promtool", *arguments], input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert given == "" or not done.stdout + done.stderr


@needs_prometheus
def test_every_alert_has_a_test_of_its_rule() -> None:
    """The rules' own tests know each alert."""
    tested = set(re.findall(r"^  - name: (\w+)$", RULE_TESTS.read_text("utf-8"), re.MULTILINE))
    assert tested == {rule["alert"] for rule in rules()}


@needs_prometheus
@pytest.mark.parametrize("named", panels(), ids=lambda named: named.place)
def test_every_panel_has_data(prometheus: Prometheus, named: tuple[str, str]) -> None:
    """Each expression of the dashboard has a value, under load."""
    eventually(lambda: prometheus.ask(named[1]), 20)


@needs_prometheus
@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_has_something_to_look_at(prometheus: Prometheus, rule: dict[str, str]) -> None:
    """What an alert compares has a value also while all is well, and it does not fire then."""
    hurry = {one["alert"]: one for one in hurried()["groups"][0]["rules"]}
    expression = hurry[rule["alert"]]["expr"]
    eventually(lambda: prometheus.ask(measured(expression)), 20)
    assert rule["alert"] not in prometheus.firing()
