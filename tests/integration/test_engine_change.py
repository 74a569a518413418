"""Another engine that keeps the embeddings embeds nothing anew; one that does not, everything."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest
from daemon import ingestd

from ingestd.embed.engines.cores import has_bf16

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = 4
BF16 = "bf16" if has_bf16() else "fp32"


class Place:
    """A few documents and their index."""

    def __init__(self, folder: Path) -> None:
        self.docs, self.state = folder / "docs", folder / "state"
        self._config = folder / "config.toml"
        self.docs.mkdir()
        for number in range(DOCUMENTS):
            self.write(number, f"Number {number} tells of apples, and what grows beside them.")

    def write(self, number: int, text: str) -> None:
        """Write a document of one chunk."""
        (self.docs / f"{number}.md").write_text(f"# Note {number}\n\n{text}\n", "utf-8")

    def run(self, engine: str, precision: str) -> tuple[dict[str, Any], bool]:
        """Take up what changed; returns the counts of chunks, and whether the model was opened."""
        model = f'engine = "{engine}"\nprecision = "{precision}"\ndevice = "cpu"'
        self._config.write_text(f"[model]\n{model}\n", "utf-8")
        done = ingestd("run", self.docs, "--once", "--json", *self._where(), model="")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["errors"] == []
        return report["chunks"], "model_opened" in done.stderr

    def first(self, question: str) -> str:
        """What a question finds first."""
        done = ingestd("query", question, "--json", "-n", "1", *self._where(), model="")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _where(self) -> tuple[str | Path, ...]:
        return "--state-dir", self.state, "--config", self._config


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Indexed by ONNX Runtime."""
    place = Place(tmp_path)
    chunks, opened = place.run("onnx", "fp32")
    assert (chunks["embedded"], opened) == (DOCUMENTS, True)
    return place


def _others() -> list[Any]:
    lacking = importlib.util.find_spec("openvino") is None
    skip = pytest.mark.skipif(lacking, reason="needs the extra ingestd[openvino]")
    return [("auto", "auto"), ("torch", BF16), pytest.param(("openvino", BF16), marks=skip)]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("other", _others())
def test_another_engine_goes_on(place: Place, other: tuple[str, str]) -> None:
    """Nothing is embedded, not even the model opened; an edit embeds its text, among the others."""
    chunks, opened = place.run(*other)
    assert (chunks["embedded"], chunks["upserted"], opened) == (0, 0, False)
    assert chunks["live"] == DOCUMENTS
    place.write(0, "Trains run late in winter, when snow lies on the rails.")
    chunks, opened = place.run(*other)
    assert (chunks["embedded"], chunks["upserted"], opened) == (1, 1, True)
    assert "0.md" in place.first("Why are trains late?")
    assert "3.md" in place.first("Note 3: number 3 tells of apples")


@pytest.mark.model
@pytest.mark.slow
def test_int8_is_another_space(place: Place) -> None:
    """It embeds everything anew; back in fp32, the vectors cache still holds what was there."""
    chunks, _ = place.run("onnx", "int8")
    assert (chunks["embedded"], chunks["live"]) == (DOCUMENTS, DOCUMENTS)
    assert "2.md" in place.first("Note 2: number 2 tells of apples")
    chunks, _ = place.run("auto", "auto")
    assert (chunks["embedded"], chunks["live"]) == (0, DOCUMENTS)
    assert "2.md" in place.first("Note 2: number 2 tells of apples")
