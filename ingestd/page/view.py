"""What the templates show: the facts as words of a language, section by section. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestd.health import Code

from .charts import chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestd.health import Problem

    from .facts import Facts
    from .language import Language

SECTIONS = ("state", "figures", "failed", "history", "sources", "runs")
"""Each is rendered from a template of its name, and sent when it changed."""
MOODS = ("starting", "stopping", "trouble", "working", "idle", "empty")
STALLED = frozenset(
    {
        Code.STUCK,
        Code.DISK_FULL,
        Code.STORE_AWAY,
        Code.STATE_AWAY,
        Code.MEMORY_MAX,
        Code.PAUSED,
    }
)
"""While one of these lasts, nothing says when what waits is done."""
HOURS = (24, 18, 12, 6)


@dataclass(frozen=True, slots=True)
class View:
    """The facts for one language."""

    facts: Facts
    say: Language

    def section(self, name: str) -> dict[str, Any]:
        """The values of a section's template."""
        made: dict[str, Any] = getattr(self, f"_{name}")()
        return made

    @property
    def mood(self) -> str:
        """How it is, in a word: a key of the catalogue, and a class of the style sheet."""
        status = self.facts.health.status
        if status in ("starting", "stopping"):
            return status
        if not self.facts.health.ready:
            return "trouble"
        if self._waiting:
            return "working"
        return "idle" if self._known else "empty"

    @property
    def _waiting(self) -> int:
        return int(self.facts.table["waiting"]["documents"])

    @property
    def _known(self) -> int:
        return sum(self.facts.table["documents"].values())

    def _moment(self, at: float) -> str:
        return self.say.moment(at, self.facts.at)

    def _state(self) -> dict[str, Any]:
        pause = self.facts.table["paused"]
        known = {Code.STARTING, Code.STOPPING}  # the heading says it
        problems = [one for one in self.facts.health.problems if one.code not in known]
        return {
            "mood": self.mood,
            "since": self._moment(self.facts.since),
            "paused_since": self._moment(pause["since"]) if pause else "",
            "problems": [self._problem(one) for one in problems],
        }

    def _problem(self, problem: Problem) -> dict[str, str]:
        code = problem.code.value
        return {
            "code": code,
            "what": self.say(f"problem.{code}"),
            "hint": self.say(f"hint.{code}"),
            "message": problem.message,
        }

    def _figures(self) -> dict[str, Any]:
        table, number = self.facts.table, self.say.number
        documents = table["documents"]
        samples = self.facts.samples
        figures = [
            ("indexed", number(documents["indexed"]), ""),
            ("chunks", number(table["chunks"]["live"]), ""),
            ("waiting", number(self._waiting), self._when_done()),
            ("failed", number(documents["failed"] + documents["dead"]), ""),
            ("skipped", number(documents["skipped"]), ""),
            ("memory", self.say.size(samples[-1].memory) if samples else "?", ""),
        ]
        return {
            "figures": [{"name": name, "value": v, "note": note} for name, v, note in figures],
            "in_hand": table["in_hand"],
            "skipped": [(reason, number(n)) for reason, n in table["skipped"].items()],
        }

    def _when_done(self) -> str:
        if not self._waiting:
            return self.say("figures.nothing_waits")
        if any(problem.code in STALLED for problem in self.facts.health.problems):
            return self.say("figures.held_up")
        if self.facts.left_s is None:
            return self.say("figures.no_estimate")
        return self.say("figures.done_in", time=self.say.duration(_rounded(self.facts.left_s)))

    def _failed(self) -> dict[str, Any]:
        table = self.facts.table
        lost = table["failed"]
        total = table["documents"]["failed"] + table["documents"]["dead"]
        return {
            "failed": [{**entry, "next": self._next_try(entry)} for entry in lost],
            "shown": self.say.number(len(lost)),
            "total": self.say.number(total),
            "more": total > len(lost),
        }

    def _next_try(self, entry: Mapping[str, Any]) -> str:
        """What happens next; empty where it waits for a change of the file."""
        if entry["status"] == "dead":
            return ""
        at = entry["retry_at"]
        if at is None or at <= self.facts.at:
            return self.say("failed.retry_soon")
        return self.say("failed.retry_at", time=self._moment(at))

    def _history(self) -> dict[str, Any]:
        samples, now, say = self.facts.samples, self.facts.at, self.say
        if not samples:
            return {"charts": []}
        # The whole minute: a picture that changes each second is of no use to anybody.
        now -= now % 60
        done = chart(samples, now, lambda one: one.documents)
        taken = chart(samples, now, lambda one: one.memory)
        return {
            "charts": [
                {
                    "name": "documents",
                    "chart": done,
                    "most": say.number(done.most),
                    "sum": say.number(done.total),
                    "alt": {"sum": say.number(done.total), "most": say.number(done.most)},
                },
                {
                    "name": "memory",
                    "chart": taken,
                    "most": say.size(taken.most),
                    "sum": "",
                    "alt": {"most": say.size(taken.most), "now": say.size(taken.last)},
                },
            ],
            "hours": HOURS,
        }

    def _sources(self) -> dict[str, Any]:
        return {"sources": [self._source(row) for row in self.facts.table["sources"]]}

    def _source(self, row: Mapping[str, Any]) -> dict[str, Any]:
        watching = row["watching"]
        followed = "events" if watching == "events" else "polled" if watching else ""
        scan = row["last_scan_at"]
        return {
            "name": row["name"],
            "path": row["path"],
            "status": row["status"],
            "reason": row["reason"],
            "followed": followed,
            "polled": watching if followed == "polled" else "",
            "documents": self._states(row["documents"]),
            "scan": self._moment(scan) if scan is not None else "",
        }

    def _states(self, documents: Mapping[str, int]) -> Sequence[tuple[str, str]]:
        return [
            (self.say(f"status.{state}"), self.say.number(n)) for state, n in documents.items() if n
        ]

    def _runs(self) -> dict[str, Any]:
        return {
            "runs": [
                {
                    "kind": self.say.name_of("runs", run["kind"]),
                    "started": self._moment(run["started_at"]),
                    "took": self.say.duration(run["seconds"]) if run["seconds"] else "",
                    "counts": [
                        (self.say.name_of("count", name), value)
                        for name, value in run["counts"].items()
                        if value
                    ],
                }
                for run in self.facts.table["runs"]
            ]
        }


def _rounded(seconds: float) -> float:
    """So that an estimate does not pretend to know better, nor change each second."""
    for step, over in ((60, 600), (10, 60), (5, 0)):
        if seconds >= over:
            return max(step, round(seconds / step) * step)
    return seconds
