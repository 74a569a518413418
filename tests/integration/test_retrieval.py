"""Does it find the page? Real documents, the real model, real questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from daemon import ingestd

CORPUS = Path(__file__).parents[1] / "corpus" / "fastapi-docs" / "en"

QUESTIONS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "corpus" / "questions.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The English documentation, indexed with the packaged model."""
    place = tmp_path_factory.mktemp("retrieval") / "state"
    done = ingestd("run", CORPUS, "--once", "--json", "--state-dir", place, model="")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["documents"]["failed"] == 0
    assert report["documents"]["indexed"] == report["documents"]["seen"]
    return place


@pytest.mark.model
@pytest.mark.slow
def test_the_right_page_is_among_the_first_five(state: Path) -> None:
    """At least eight of ten questions find their page within five results."""
    missed = []
    for question, page in QUESTIONS.items():
        done = ingestd("query", question, "--json", "-n", "5", "--state-dir", state, model="")
        assert done.returncode == 0, done.stderr
        if page not in done.stdout:
            missed.append(question)
    assert len(missed) <= 2, missed


@pytest.mark.model
@pytest.mark.slow
def test_a_second_run_embeds_nothing_and_loads_no_model(state: Path) -> None:
    """Nothing changed: nothing is read, embedded or written, and the model stays closed."""
    done = ingestd("run", CORPUS, "--once", "--json", "--state-dir", state, model="")
    report = json.loads(done.stdout)
    assert report["chunks"]["embedded"] == 0
    assert report["chunks"]["upserted"] == 0
    assert report["documents"]["unchanged"] == report["documents"]["seen"]
    assert "model_opened" not in done.stderr
