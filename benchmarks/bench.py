"""Compares ingestd with other ways to keep an index: ``python -m benchmarks.bench``.

Ours, the loop of every tutorial, LangChain's ``index()`` and CocoIndex work in the same run on the
same documents and with the same model, taking turns. One table, everything as JSON, and charts of
how the cost grows. The exit code is 1 where ingestd does not hold what it promises; with
``--quick`` the documents are too few to tell.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import comparison, machine, promises, setup, systems
from benchmarks.least_work import described
from benchmarks.series import backfill, ingest, queries, rescan, save
from benchmarks.series.rows import Bounds, tell
from ingestd.embed.model import configured
from ingestd.settings.content import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.series.rows import Row

DOCS = systems.ROOT / "tests" / "corpus" / "fastapi-docs" / "en"
QUESTIONS = systems.ROOT / "tests" / "corpus" / "questions.json"
RESULTS = systems.ROOT / "benchmarks" / "results"
FULL = {
    "sizes": "20,60,160",
    "rounds": 3,
    "saves": 200,
    "waiting": "1000,10000",
    "rescans": "10000,50000,200000",
    "compared": 10_000,
}
QUICK = {
    "sizes": "5",
    "rounds": 1,
    "saves": 15,
    "waiting": "1000",
    "rescans": "10000",
    "compared": 0,
}
MEASURES: dict[str, Callable[[Bounds], list[Row]]] = {
    **dict.fromkeys(ingest.TASKS, lambda bounds: ingest.measure(bounds, ingest.TASKS)),
    save.SERIES: save.measure,
    rescan.RESCAN: rescan.measure,
    backfill.SERIES: backfill.measure,
    backfill.WITH_MODEL: backfill.measure_with_model,
    queries.SERIES: queries.measure,
}
"""What measures each series, in their order; the tasks of an ingest are measured together."""
HASH = backfill.HASH
RIVALS = (systems.OPENVINO, "naive", "langchain", "cocoindex")
"""The first is ours, with that extra."""
LEFT_OUT = ("langchain incremental",)
"""Where every file is looked at anyway, ``cleanup="full"`` is the way that ends right."""


def choose(rivals: Sequence[str], ours: Sequence[str]) -> tuple[list[systems.System], list[str]]:
    """The systems to compare.

    Args:
        rivals: their names.
        ours: further configurations of ours, such as ``model.engine=torch,model.threads=1``.

    Returns:
        The systems, and a line for each rival that is not there.

    Raises:
        LookupError: no rival is called so.
    """
    there = [rival for rival in rivals if setup.installed(rival)]
    missing = [
        f"{rival} is left out: run `python -m benchmarks.setup {rival}`"
        for rival in rivals
        if rival not in there
    ]
    first, *others = systems.choose([name for name in there if name != systems.OPENVINO])
    own = [systems.WITH_OPENVINO] if systems.OPENVINO in there else []
    own += [systems.configured(_settings(text)) for text in ours]
    return [first, *own, *(each for each in others if each.name not in LEFT_OUT)], missing


def _settings(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    return [(key, value) for key, _, value in pairs]


def measure(bounds: Bounds, wanted: Sequence[str]) -> list[Row]:
    """Measure the series that are wanted."""
    rows: list[Row] = []
    tasks = [name for name in wanted if name in ingest.TASKS]
    if tasks:
        rows += ingest.measure(bounds, tasks)
    for name in wanted:
        if name not in tasks:
            rows += MEASURES[name](bounds)
    order = [*MEASURES, *(row.series for row in rows)]
    return sorted(rows, key=lambda row: (order.index(row.series), row.size))


def prepare(bounds: Bounds) -> None:
    """Have every configuration of ours export its model: that happens once on a machine."""
    docs = bounds.work / "prepare"
    docs.mkdir()
    (docs / "a.md").write_text("# A page\n\nA sentence.\n", encoding="utf-8")
    for number, system in enumerate(bounds.systems):
        if system.is_ours:
            tell(f"{system.name} prepares its model")
            run = systems.index(
                system, docs, bounds.work / f"prepared-{number}", model=bounds.model
            )
            if run.exit_code != 0:
                sys.exit(f"{system.name} does not run:\n{run.output[-2000:]}")


def main() -> int:
    """Read the command line, measure, report; the exit code says whether ours holds."""
    given = _arguments()
    try:
        chosen, missing = choose(
            [name for name in given.rivals.split(",") if name], given.ours or ()
        )
        wanted = series_of(given.only)
    except LookupError as error:
        sys.exit(str(error))
    about = described(chosen)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.work) as work:
        bounds = _bounds(given, chosen, Path(work))
        prepare(bounds)
        rows = measure(bounds, wanted)
    return report(rows, about, missing, given)


def report(
    rows: list[Row], about: dict[str, Any], missing: list[str], given: argparse.Namespace
) -> int:
    """Print the table, write the JSON and the charts."""
    console = Console(width=170 if not sys.stdout.isatty() else None)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    console.print(_versions(about), highlight=False, soft_wrap=True)
    console.print(comparison.table(rows))
    lost = promises.broken(rows)
    for line in missing:
        console.print(line, highlight=False)
    for line in lost if not given.quick else ():
        console.print(f"ingestd does not hold: {line}", style="red")
    json_file = given.json or RESULTS / "bench.json"
    json_file.parent.mkdir(parents=True, exist_ok=True)
    drawn = comparison.charts(rows, given.charts or json_file.parent)
    values = {
        "machine": about,
        "quick": given.quick,
        "charts": [file.name for file in drawn],
        "left_out": missing,
        "not_held": lost,
        "rows": [row.as_json() for row in rows],
    }
    json_file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    for file in [json_file, *drawn]:
        console.print(f"written: {file}", highlight=False, soft_wrap=True)
    return 1 if lost and not given.quick else 0


def _versions(about: dict[str, Any]) -> str:
    packages = {**about["packages"]}
    for found in about["rivals"].values():
        packages |= {name: number for name, number in found.items() if name not in packages}
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def series_of(only: str | None) -> list[str]:
    """The series that are asked for; the beginning of a name is enough.

    Raises:
        LookupError: no series is called so.
    """
    if only is None:
        return list(MEASURES)
    found = []
    for name in only.split(","):
        matches = [series for series in MEASURES if series.startswith(name.strip())]
        if not matches:
            raise LookupError(f"no series is called {name!r}; there are {list(MEASURES)}")
        found += matches
    return [series for series in MEASURES if series in found]


def _bounds(given: argparse.Namespace, chosen: list[systems.System], work: Path) -> Bounds:
    usual: dict[str, Any] = QUICK if given.quick else FULL

    def numbers(name: str) -> list[int]:
        text = getattr(given, name, None) or usual[name]
        return [int(number) for number in text.split(",")]

    return Bounds(
        docs=given.docs.absolute(),
        work=work,
        model=None if given.model == HASH else configured(ModelSettings(name=given.model)).path,
        questions=json.loads(QUESTIONS.read_text(encoding="utf-8")),
        systems=chosen,
        sizes=numbers("sizes"),
        rounds=given.rounds or usual["rounds"],
        saves=given.saves or usual["saves"],
        waiting=numbers("waiting"),
        rescans=numbers("rescans"),
        rescans_compared=usual["compared"],
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    add = parser.add_argument
    add("--docs", type=Path, default=DOCS, help="a folder with Markdown files")
    add("--model", default="", help=f"folder or name; default: ours; {HASH}: none has a real one")
    add("--rivals", default=",".join(RIVALS), help=f"comma-separated; default: {','.join(RIVALS)}")
    add("--ours", action="append", help="compare also ours with such settings: model.engine=torch")
    add("--only", help="series, comma-separated; the beginning of a name is enough")
    add("--quick", action="store_true", help="few documents, one round, no charts: some minutes")
    add("--sizes", help=f"numbers of documents; default: {FULL['sizes']}")
    add("--rounds", type=int, help=f"of each comparison; default: {FULL['rounds']}")
    add("--saves", type=int, help=f"that are waited for; default: {FULL['saves']}")
    add("--waiting", help=f"documents that wait while one saves; default: {FULL['waiting']}")
    add("--rescans", help=f"numbers of files; default: {FULL['rescans']}")
    add("--work", type=Path, help="where copies and stores go; default: the temporary folder")
    add("--json", type=Path, help="default: benchmarks/results/bench.json")
    add("--charts", type=Path, help="folder for the charts; default: that of the JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
