"""The dashboard and the rules of the repository, as the tests read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MONITORING = Path(__file__).parents[2] / "monitoring"
RULES = MONITORING / "prometheus" / "ingestd.rules.yml"
RULE_TESTS = MONITORING / "prometheus" / "ingestd.test.yml"
BOARD = MONITORING / "grafana" / "ingestd.json"
METRIC = re.compile(r"\bingestd_[a-z_]+")
FASTER = 60
"""How many times faster time runs in `hurried` rules."""
LONGEST_S = 30
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_COMPARED = re.compile(r"(_seconds.*> )(\d+)$")


class Named(NamedTuple):
    """An expression, and where it stands."""

    place: str
    expression: str


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    return found


def measured(expression: str) -> str:
    """What an alert looks at, without the bound: that has a value also while nothing is wrong."""
    first = re.split(r"\s(?:==|>=|>)\s", expression)[0]
    return first.replace("\n", " ").strip()


def panels() -> list[Named]:
    """Each expression of the dashboard, with its variables filled in."""
    board = json.loads(BOARD.read_text("utf-8"))
    found = [
        Named(f"{panel['title']}: {target['refId']}", target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
    found += [
        Named(f"annotation {one['name']}", measured(one["expr"]))
        for one in board["annotations"]["list"]
    ]
    return [
        Named(place, expression.replace("$instance", ".*").replace("$__rate_interval", "20s"))
        for place, expression in found
    ]


def _lasting(duration: str) -> str:
    return f"{min(LONGEST_S, int(duration[:-1]))}s"


def hurried() -> dict[str, Any]:
    """The rules with time `FASTER`: each duration, and each bound on seconds, is divided by it.

    What a fault must last is `LONGEST_S` at most.
    """

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[1]) * _SECONDS[found[2]] / FASTER
        return f"{max(1, round(seconds))}s"

    changed = []
    for rule in rules():
        new = dict(rule)
        expression = re.sub(r"(?<=\[)(\d+)([smhd])(?=\])", shorter, rule["expr"])
        expression = re.sub(
            _COMPARED, lambda found: f"{found[1]}{int(found[2]) / FASTER:g}", expression
        )
        new["expr"] = expression
        if "for" in rule:
            new["for"] = re.sub(
                r"(\d+)([smhd])", lambda found: _lasting(shorter(found)), rule["for"]
            )
        changed.append(new)
    return {"groups": [{"name": "ingestd", "interval": "1s", "rules": changed}]}
