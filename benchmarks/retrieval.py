"""Does a model find the page, in Korean as well: ``python -m benchmarks.retrieval``.

The documentation of FastAPI in English and in Korean is indexed by ``ingestd run --once`` with each
model, and asked the questions of ``tests/corpus``: English ones on the English pages, Korean ones
on the Korean pages, and Korean ones on the English pages. Counted are the questions whose page is
among the first five results, and those whose page is among the first five different pages. So few
questions leave much to chance. Beside a share stand the range that it may lie in, and the shares of
the first, third, fifth, ... question and of the others: a setting that suits one half only is worth
little. Without ``--model``, the packaged model and every added one are compared.

The exit code is 1 where no model has the page of eight of ten Korean questions among the first five
results: chunks, not pages.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine, systems
from ingestd.cli import stores
from ingestd.config import load
from ingestd.embed.engines import open_embedder
from ingestd.embed.model import configured, locate
from ingestd.embed.models.library import names
from ingestd.location import locate as places
from ingestd.pipeline import make_cutting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ingestd.ports import Collection, Embedder

CORPUS = systems.ROOT / "tests" / "corpus"
DOCS = CORPUS / "fastapi-docs"
QUESTIONS = {"en": CORPUS / "questions.json", "ko": CORPUS / "questions-ko.json"}
PAIRS = (("en", "en"), ("ko", "ko"), ("ko", "en"))
"""Languages of the questions and of the pages."""
RESULTS = 5
LEAST = 0.8
_ENOUGH = 60
"""Results that hold five different pages, or nearly always."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was found with one model, in one pair of languages.

    Attributes:
        model: its name.
        questions: their language.
        pages: the language of the documents.
        asked: number of questions.
        documents: that are indexed.
        chunks: the same.
        tokens: the largest chunk.
        hit_at_5: share of questions whose page is among the first five chunks.
        hit_at_5_range: where that share may lie, with a confidence of 95 %.
        hit_at_5_halves: the share of the first, third, fifth, ... question, and of the others.
        hit_at_5_pages: the same among the first five different pages.
        index_s: seconds that indexing took; 0 where it was done before.
        missed: the questions without a hit, and what was found instead.
    """

    model: str
    questions: str
    pages: str
    asked: int
    documents: int
    chunks: int
    tokens: int
    hit_at_5: float
    hit_at_5_range: tuple[float, float]
    hit_at_5_halves: tuple[float, float]
    hit_at_5_pages: float
    index_s: float
    missed: dict[str, list[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Index, ask, print."""
    wish = _parser().parse_args(arguments)
    with ExitStack() as stack:
        work = wish.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = [
            row
            for name, path in _models(wish.model).items()
            for row in measure(name, path, work.absolute(), wish.tokens, wish.pages or ("en", "ko"))
        ]
    about = machine.describe()
    _show(rows, machine.headline(about))
    if wish.json:
        found = {"machine": about, "rows": [asdict(row) for row in rows]}
        wish.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    korean = [row.hit_at_5 for row in rows if (row.questions, row.pages) == ("ko", "ko")]
    return 1 if korean and max(korean) < LEAST else 0


def measure(
    name: str, path: str, work: Path, tokens: int | None, pages: Sequence[str]
) -> Iterator[Row]:
    """Index with one model, and ask.

    Args:
        name: of the model, for the table.
        path: what `model.name` is to be.
        work: where the indexes are; what lies there is not embedded again.
        tokens: the largest chunk; None for the default.
        pages: languages of documents.
    """
    for language in pages:
        state = work / f"{Path(name).name or 'default'}-{tokens or 'most'}-{language}"
        environment = {**systems.environment(), "INGESTD_MODEL__NAME": path}
        if tokens:
            environment["INGESTD_CHUNK__TOKENS"] = str(tokens)
        started = time.monotonic()
        report = index(DOCS / language, state, environment)
        taken = time.monotonic() - started if report["chunks"]["embedded"] else 0.0
        with ExitStack() as stack:
            os.environ.update(environment)
            embedder, collection, most = _open(state, stack)
            for questions, there in PAIRS:
                if there == language:
                    yield ask(
                        Row(
                            model=name,
                            questions=questions,
                            pages=language,
                            asked=0,
                            documents=report["documents"]["seen"],
                            chunks=report["chunks"]["live"],
                            tokens=most,
                            hit_at_5=0.0,
                            hit_at_5_range=(0.0, 1.0),
                            hit_at_5_halves=(0.0, 0.0),
                            hit_at_5_pages=0.0,
                            index_s=round(taken, 1),
                            missed={},
                        ),
                        _questions(questions, DOCS / language),
                        embedder,
                        collection,
                    )


def index(docs: Path, state: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Index a folder; returns the report.

    Raises:
        RuntimeError: a document failed.
    """
    command = [sys.executable, "-m", "ingestd", "run", str(docs), "--once", "--json"]
    done = subprocess.run(
        [*command, "--state-dir", str(state)],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _open(state: Path, stack: ExitStack) -> tuple[Embedder, Collection, int]:
    settings, location = load(state_dir=state)
    spec = configured(settings.model, location.models_dir)
    store = stack.enter_context(stores.opened(settings, location))
    collection = store.existing(settings.store.collection, spec)
    if collection is None:
        raise RuntimeError("nothing was indexed")
    embedder = open_embedder(spec, cache_dir=location.cache_dir)
    stack.callback(embedder.close)
    return embedder, collection, make_cutting(settings, spec).max_tokens


def ask(row: Row, questions: Mapping[str, str], embedder: Embedder, collection: Collection) -> Row:
    """Ask all questions, and count the hits."""
    hits: list[bool] = []
    page_hits = 0
    missed = {}
    for question, page in questions.items():
        found = collection.query(embedder.embed_query(question), _ENOUGH)
        paths = [str(hit.metadata["path"]) for hit in found]
        hits.append(page in paths[:RESULTS])
        page_hits += page in list(dict.fromkeys(paths))[:RESULTS]
        if not hits[-1]:
            missed[f"{question} ({page})"] = paths[:RESULTS]
    asked = len(questions)
    return Row(
        **{
            **asdict(row),
            "asked": asked,
            "hit_at_5": round(sum(hits) / asked, 3),
            "hit_at_5_range": interval(sum(hits), asked),
            "hit_at_5_halves": (_share(hits[::2]), _share(hits[1::2])),
            "hit_at_5_pages": round(page_hits / asked, 3),
            "missed": missed,
        }
    )


def interval(hits: int, asked: int) -> tuple[float, float]:
    """Where a share may lie that was counted so, with a confidence of 95 %: Wilson's interval."""
    z = NormalDist().inv_cdf(0.975)
    share = hits / asked
    middle = share + z * z / (2 * asked)
    reach = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    whole = 1 + z * z / asked
    return round((middle - reach) / whole, 3), round((middle + reach) / whole, 3)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3) if hits else 0.0


def _questions(language: str, docs: Path) -> dict[str, str]:
    """The questions whose page these documents have."""
    asked: dict[str, str] = json.loads(QUESTIONS[language].read_text(encoding="utf-8"))
    return {question: page for question, page in asked.items() if (docs / page).exists()}


def _models(wanted: Sequence[str] | None) -> dict[str, str]:
    """What the models are called, and where each is: an added one by its folder."""
    added = places().models_dir
    found = {}
    for name in wanted or ["default", *names(added)]:
        spec = locate(name, added=added)
        found[name] = str(spec.path) if name in names(added) else name
    return found


def _show(rows: Sequence[Row], headline: str) -> None:
    table = Table(title=headline, title_justify="left")
    for column in ("model", "questions", "pages", "documents", "chunks", "tokens"):
        table.add_column(column)
    for column in ("hit@5", "95 %", "halves", "of pages", "indexed in"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            Path(row.model).name,
            f"{row.asked} {row.questions}",
            row.pages,
            str(row.documents),
            str(row.chunks),
            str(row.tokens),
            f"{row.hit_at_5:.2f}",
            "{:.2f} to {:.2f}".format(*row.hit_at_5_range),
            "{:.2f}, {:.2f}".format(*row.hit_at_5_halves),
            f"{row.hit_at_5_pages:.2f}",
            f"{row.index_s:.0f} s" if row.index_s else "-",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument(
        "--model", action="append", help="a folder, or the name of an added model; repeatable"
    )
    parser.add_argument("--pages", action="append", choices=("en", "ko"), help="default: both")
    parser.add_argument("--tokens", type=int, help="largest chunk; default: that of ingestd")
    parser.add_argument("--work", type=Path, help="keep the indexes here, and go on with them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
