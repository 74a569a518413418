"""SIGKILL in the middle of a cold run: the next run ends where an undisturbed one does."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from daemon import contents, environment, ingestd
from forked import Zygote
from kills import Tree, kill_cold, kill_daemon

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = 120


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of a few sections each."""
    folder = tmp_path_factory.mktemp("corpus") / "docs"
    for number in range(DOCUMENTS):
        file = folder / f"part{number % 7}" / f"{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        sections = [
            f"## Section {part}\n\n" + f"Document {number} says word{part} here. " * 30
            for part in range(6)
        ]
        file.write_text(f"# Title {number}\n\n" + "\n\n".join(sections), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a run that nobody disturbs leaves in the collection."""
    state = tmp_path_factory.mktemp("undisturbed") / "state"
    done = ingestd("run", corpus, "--once", "--json", "--state-dir", state)
    assert done.returncode == 0, done.stderr
    return dict(contents(state))


def indexed(state: Path) -> int:
    """How many documents the state table calls indexed."""
    try:
        with sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True) as table:
            (number,) = table.execute(
                "SELECT count(*) FROM documents WHERE status = 'indexed'"
            ).fetchone()
            return int(number)
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_a_killed_cold_run_converges_id_by_id(
    corpus: Path, undisturbed: dict[str, object], tmp_path: Path, share: float
) -> None:
    """Killed when a share of the documents is in, then run again: every id, text and vector."""
    state = tmp_path / "state"
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "ingestd", "run", str(corpus), "--once"),
            *("--state-dir", str(state)),
        ],
        env={**environment("hash"), "INGESTD_LIMITS__BATCH_DOCUMENTS": "5"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while run.poll() is None and indexed(state) < 1 + share * DOCUMENTS:
        time.sleep(0.005)
    assert run.poll() is None, "the run ended before it could be killed"
    run.kill()
    run.wait()
    assert indexed(state) < DOCUMENTS
    done = ingestd("run", corpus, "--once", "--json", "--state-dir", state)
    assert done.returncode == 0, done.stderr
    assert contents(state) == undisturbed


def test_a_cold_run_killed_at_a_random_moment_converges(corpus: Path, tmp_path: Path) -> None:
    """Wherever it hits, nothing is lost, and what the cache holds is not embedded again."""
    with Zygote(tmp_path) as zygote:
        score = kill_cold(corpus, tmp_path, zygote, 1, random.Random(1))
    assert score.differences == []
    assert (score.converged, score.embedded_again) == (1, 0)


def test_a_daemon_killed_while_somebody_works_converges(tmp_path: Path) -> None:
    """Files come, change, move and go meanwhile; the end is that of a fresh ingest."""
    chance = random.Random(7)
    with Zygote(tmp_path) as zygote:
        tree = Tree(tmp_path / "docs", chance)
        score = kill_daemon(tree, tmp_path / "state", zygote, 2, chance)
    assert score.differences == []
    assert score.converged == score.rounds > 0
