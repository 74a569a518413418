"""What becomes of a measurement: the engine that embeds is changed, sized anew, or goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from ingestd.embed.engines import planning
from ingestd.embed.engines.batches import USUAL, Batch
from ingestd.embed.engines.choice import Choice, Here, Wish
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.engines.measured import Figures, Measured, remember
from ingestd.embed.engines.opening import Opener
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.engines.settling import SettlingEmbedder

SINGLE = Batch(1, 512)


class Ended:
    """A measurement that has ended already."""

    ended = True

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Nothing is measured here."""

    def stop(self) -> None:
        """Nor broken off."""


class Engine(HashEmbedder):
    """An engine that was opened for a choice."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(8)
        self.key, self.batch, self.closed = choice.key, choice.batch, False

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def figures(least: float, usual: float, single: float) -> Figures:
    """An engine that took so long a token, in each round."""
    return Figures(least, least, [(USUAL, usual), (SINGLE, single)], [min(usual, single)] * 3)


class Setting:
    """An opener on a machine with OpenVINO, whose engines are recorded."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[Engine] = []
        self.broken = ""
        monkeypatch.setattr(planning, "look", lambda _: Here(openvino=True, bf16=True))
        monkeypatch.setattr("ingestd.embed.engines.measurement.Measurement", Ended)
        monkeypatch.setattr(Opener, "_exported", lambda _, choice: self._exported(choice))
        self._plan = planning.plan(locate(""), folder, Wish(), 2)
        opener: Any = Opener(self._plan, tell=True)
        self.embedder: SettlingEmbedder = opener.open(measure=True)

    def _exported(self, choice: Choice) -> Engine:
        if choice.engine == self.broken:
            raise RuntimeError("broken")
        self.opened.append(Engine(choice))
        return self.opened[-1]

    def found(self, theirs: float) -> list[str]:
        """Have it measured so, and embed; returns the events of the log."""
        ours = figures(1.0, 150.0, 120.0)
        engines = {"onnx-fp32": ours, "openvino-bf16": figures(0.99996, theirs, theirs)}
        remember(self._plan.file, Measured(engines))
        with capture_logs() as logs:
            self.embedder.embed(["text"])
            self.embedder.embed(["text"])
        return [entry["event"] for entry in logs]


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """One that embeds with ONNX Runtime, unmeasured."""
    made = Setting(tmp_path, monkeypatch)
    assert [(one.key, one.batch) for one in made.opened] == [("onnx-fp32", USUAL)]
    return made


def test_a_better_engine_takes_over(setting: Setting) -> None:
    """The one before is closed, and the log says what runs now."""
    assert setting.found(60.0) == ["model_engine"]
    assert [(one.key, one.closed) for one in setting.opened] == [
        ("onnx-fp32", True),
        ("openvino-bf16", False),
    ]


def test_the_same_engine_is_sized_anew(setting: Setting) -> None:
    """It is not opened a second time; its batches become those that were measured."""
    assert setting.found(200.0) == ["model_engine"]
    assert [(one.closed, one.batch) for one in setting.opened] == [(False, SINGLE)]


def test_what_cannot_be_opened_is_left(setting: Setting) -> None:
    """Nothing is lost: the usual engine goes on as it was, and the log says why."""
    setting.broken = "openvino"
    assert setting.found(60.0) == ["engine_fallback"]
    assert [(one.closed, one.batch) for one in setting.opened] == [(False, USUAL)]
    setting.embedder.close()
    assert setting.opened[0].closed
