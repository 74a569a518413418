"""What is told of the engine that runs a model: by the log and by ``doctor``."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, get_args

import pytest

from ingestd.cli import doctor
from ingestd.config import load
from ingestd.embed.engines import export, planning, require
from ingestd.embed.engines.batches import USUAL, Batch
from ingestd.embed.engines.choice import Here, Wish
from ingestd.embed.engines.measured import Figures, Measured, remember
from ingestd.embed.engines.planning import plan
from ingestd.embed.model import configured, locate
from ingestd.engine_options import Device, Engine, Precision, impossible
from ingestd.errors import EngineMissingError
from ingestd.pipeline import make_cutting, pipeline_version
from ingestd.settings.content import ModelSettings

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.model import ModelSpec

FULL = Here(openvino=True, bf16=True)
FOUND = Measured(
    {
        "onnx-fp32": Figures(1.0, 1.0, [(USUAL, 150.0)], [150.0]),
        "openvino-bf16": Figures(0.99996, 0.99998, [(USUAL, 99.0), (Batch(1, 512), 90.0)], [90.0]),
    }
)


@pytest.fixture
def spec() -> ModelSpec:
    """The packaged model."""
    return locate("")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything but a GPU."""
    monkeypatch.setattr(planning, "look", lambda _: FULL)


@pytest.mark.usefixtures("full")
def test_before_anything_is_measured(spec: ModelSpec, tmp_path: Path) -> None:
    """The usual engine and batch, and that they may change."""
    planned = plan(spec, tmp_path, Wish(), 2)
    assert planned.open
    sentence = planned.sentence()
    assert sentence.startswith("ONNX Runtime ")
    assert sentence.endswith(
        ", fp32 on cpu; 2 threads; batches of 4 (not measured yet); usual on a CPU"
    )


@pytest.mark.usefixtures("full")
def test_what_was_measured_is_remembered(spec: ModelSpec, tmp_path: Path) -> None:
    """The next process begins with what was found, and says why; for other threads it is open."""
    remember(plan(spec, tmp_path, Wish(), 2).file, FOUND)
    planned = plan(spec, tmp_path, Wish(), 2)
    assert not planned.open
    told = planned.told()
    assert (told["engine"], told["precision"], told["device"]) == ("openvino", "bf16", "cpu")
    assert (told["threads"], told["batch_texts"], told["batch_tokens"]) == (2, 1, 512)
    assert told["reason"].startswith("measured: at least 1.67 times as fast as ONNX Runtime fp32")
    assert "batches of 1 (as measured)" in planned.sentence()
    assert plan(spec, tmp_path, Wish(), 1).open


def test_engines_share_a_pipeline(tmp_path: Path) -> None:
    """Whatever computes the same embeddings does not make anything due again; int8 does."""
    versions: dict[str, set[str]] = {"int8": set(), "others": set()}
    for engine, precision, device in product(*map(get_args, (Engine, Precision, Device))):
        if impossible(engine, precision, device):
            continue
        asked = {"engine": engine, "precision": precision, "device": device}
        overrides = {f"model.{name}": value for name, value in asked.items()}
        settings, _ = load(state_dir=tmp_path, overrides=overrides)
        spec = configured(settings.model)
        version = pipeline_version(make_cutting(settings, spec), spec)
        versions["int8" if precision == "int8" else "others"].add(version)
    assert [len(found) for found in versions.values()] == [1, 1]
    assert versions["int8"] != versions["others"]


def test_the_loss_of_int8_is_told(spec: ModelSpec, tmp_path: Path) -> None:
    """Mean and least cosine, as of the export; nothing before there is one."""
    int8 = replace(spec, precision="int8")
    planned = plan(int8, tmp_path, Wish(precision="int8"), 1)
    assert not planned.open
    assert "loss" not in planned.sentence()
    folder = export.folder_of(int8, tmp_path)
    folder.mkdir(parents=True)
    note = {"worst_cosine": 0.9773, "mean_cosine": 0.99034}
    (folder / "export.json").write_text(json.dumps(note), "utf-8")
    assert (planned.told()["least_cosine"], planned.told()["mean_cosine"]) == (0.9773, 0.9903)
    expected = "loss: cosine to fp32 0.9903 in the mean, 0.9773 at the least"
    assert planned.sentence().endswith(expected)
    assert "1 thread;" in planned.sentence()


def test_torch_tells_its_batches_by_texts(spec: ModelSpec, tmp_path: Path) -> None:
    """It has no bound of tokens, and nothing to measure."""
    told = plan(spec, tmp_path, Wish(engine="torch", device="cpu"), 2).told()
    assert (told["engine"], told["batch_texts"]) == ("torch", 2)
    assert "batch_tokens" not in told


def _doctor(tmp_path: Path, model: str) -> dict[str, tuple[str, str, str]]:
    config = tmp_path / "config.toml"
    config.write_text(f"cache_dir = '{tmp_path / 'cache'}'\n[model]\n{model}\n", "utf-8")
    findings = doctor.examine(config, tmp_path / "state")
    return {one.name: (one.level, one.message, one.mend) for one in findings}


@pytest.mark.usefixtures("full")
def test_doctor_says_what_runs(tmp_path: Path) -> None:
    """Engine, precision, device, threads and batches, and that the export is still to be made."""
    level, message, _ = _doctor(tmp_path, "engine = 'openvino'\nthreads = 3")["engine"]
    assert level == "warn"
    assert message.startswith("OpenVINO")
    assert "bf16 on cpu; 3 threads; batches of 4" in message
    assert message.endswith("the exported model is made at the next start, once")


def test_doctor_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is not installed fails, with the command that installs it."""
    monkeypatch.setattr(planning, "look", lambda _: Here())
    level, _, mend = _doctor(tmp_path, "engine = 'openvino'")["engine"]
    assert level == "fail"
    assert 'pip install "ingestd[openvino]"' in mend


def test_a_start_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told before the first document, not by it; test models need nothing."""
    monkeypatch.setattr("ingestd.embed.engines.machine.look", lambda _: Here())
    asked = ModelSettings(engine="openvino")
    with pytest.raises(EngineMissingError):
        require(configured(asked), asked)
    require(locate("hash"), asked)
    require(configured(ModelSettings()), ModelSettings())
