"""Which engine runs a model: what may be asked for, what is there, and what was measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, get_args

import pytest

from ingestd.config import load
from ingestd.embed.engines.batches import SINGLE, USUAL, Batch
from ingestd.embed.engines.choice import Choice, Here, Wish, choose, settle
from ingestd.embed.engines.measured import Figures, Measured
from ingestd.engine_options import Device, Engine, Precision, impossible
from ingestd.errors import ConfigError, EngineMissingError

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Here()
FULL = Here(openvino=True, bf16=True)
CUDA = replace(FULL, accelerator="cuda")
NO_EXPORT = replace(FULL, no_export="no export for pooling max")
LARGE = Batch(8, 1024)


def key(wish: Wish, here: Here) -> tuple[str, str, str]:
    """What is chosen, in short."""
    choice = choose(wish, here)
    return choice.engine, choice.precision, choice.device


@pytest.mark.parametrize(
    ("wish", "here", "expected"),
    [
        (Wish(), PLAIN, ("onnx", "fp32", "cpu")),
        (Wish(), FULL, ("onnx", "fp32", "cpu")),
        (Wish(), CUDA, ("torch", "fp32", "cuda")),
        (Wish(), replace(PLAIN, accelerator="mps"), ("torch", "fp32", "mps")),
        (Wish(), NO_EXPORT, ("torch", "fp32", "cpu")),
        (Wish(device="cpu"), CUDA, ("onnx", "fp32", "cpu")),
        (Wish(device="cuda"), CUDA, ("torch", "fp32", "cuda")),
        (Wish(engine="onnx"), CUDA, ("onnx", "fp32", "cpu")),
        (Wish(engine="onnx"), NO_EXPORT, ("onnx", "fp32", "cpu")),
        (Wish(engine="torch"), PLAIN, ("torch", "fp32", "cpu")),
        (Wish(engine="openvino"), FULL, ("openvino", "bf16", "cpu")),
        (Wish(engine="openvino"), CUDA, ("openvino", "bf16", "cpu")),
        (Wish(engine="openvino"), Here(openvino=True), ("openvino", "fp32", "cpu")),
        (Wish("openvino", "fp32"), FULL, ("openvino", "fp32", "cpu")),
        (Wish(precision="bf16"), FULL, ("openvino", "bf16", "cpu")),
        (Wish(precision="bf16"), Here(bf16=True), ("torch", "bf16", "cpu")),
        (Wish(precision="bf16"), NO_EXPORT, ("torch", "bf16", "cpu")),
        (Wish("torch", "bf16"), FULL, ("torch", "bf16", "cpu")),
        (Wish("torch", "bf16"), CUDA, ("torch", "bf16", "cuda")),
        (Wish(precision="fp32"), FULL, ("onnx", "fp32", "cpu")),
        (Wish(precision="int8"), CUDA, ("onnx", "int8", "cpu")),
        (Wish("onnx", "int8"), PLAIN, ("onnx", "int8", "cpu")),
    ],
)
def test_what_is_chosen(wish: Wish, here: Here, expected: tuple[str, str, str]) -> None:
    """By what is asked for and what is there, before anything is measured."""
    assert key(wish, here) == expected


def test_int8_is_never_chosen_by_itself() -> None:
    """What loses is only taken when it is asked for; nor is it a rival."""
    for engine, device in product(get_args(Engine), ("auto", "cpu")):
        choice = choose(Wish(engine, "auto", device), FULL)
        assert "int8" not in {choice.precision, *(choice.rival or ())}


def test_texts_go_alone_in_int8() -> None:
    """All states of a batch share one scale there: among others a text would give another row."""
    assert choose(Wish(precision="int8"), PLAIN).batch == SINGLE


def test_only_auto_has_a_rival() -> None:
    """OpenVINO is measured where it is installed, the processor can, and nothing else is asked."""
    assert choose(Wish(), FULL).rival == ("openvino", "bf16")
    for wish, here in (
        (Wish(), PLAIN),
        (Wish(), replace(FULL, bf16=False)),
        (Wish(engine="onnx"), FULL),
        (Wish(precision="fp32"), FULL),
    ):
        assert choose(wish, here).rival is None


@pytest.mark.parametrize(
    ("wish", "here", "message", "hint"),
    [
        (Wish(engine="openvino"), PLAIN, "not installed", 'pip install "ingestd[openvino]"'),
        (Wish(engine="openvino"), NO_EXPORT, "pooling max", "auto"),
        (Wish("openvino", "bf16"), Here(openvino=True), "bfloat16", "precision"),
        (Wish(precision="bf16"), PLAIN, "bfloat16", "precision"),
        (Wish(precision="int8"), NO_EXPORT, "pooling max", "auto"),
        (Wish(device="cuda"), FULL, '"cuda"', "driver"),
        (Wish(device="mps"), CUDA, '"mps"', "driver"),
    ],
)
def test_what_is_not_here(wish: Wish, here: Here, message: str, hint: str) -> None:
    """What is asked for and missing is an error that says what helps."""
    with pytest.raises(EngineMissingError, match=message) as raised:
        choose(wish, here)
    assert hint in raised.value.hint
    assert (raised.value.exit_code, raised.value.code) == (20, "engine_missing")


IMPOSSIBLE = {
    ("onnx", "bf16", "cpu"),
    ("openvino", "int8", "cpu"),
    ("torch", "int8", "cpu"),
    ("onnx", "fp32", "cuda"),
    ("openvino", "bf16", "mps"),
    ("auto", "int8", "cuda"),
}


@pytest.mark.parametrize(("engine", "precision", "device"), sorted(IMPOSSIBLE))
def test_what_does_not_exist(
    engine: Engine, precision: Precision, device: Device, tmp_path: Path
) -> None:
    """A combination that no machine has is a mistake in the configuration, told by its line."""
    with pytest.raises(ConfigError, match=engine if engine != "auto" else "int8"):
        choose(Wish(engine, precision, device), CUDA)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[model]\nengine = "{engine}"\nprecision = "{precision}"\ndevice = "{device}"\n', "utf-8"
    )
    with pytest.raises(ConfigError, match=r"config\.toml: model: (engine|precision) = "):
        load(config=config, state_dir=tmp_path)


def test_every_combination_has_an_answer() -> None:
    """Each is chosen on a machine that has everything, or impossible; none falls through."""
    for engine, precision, device in product(*map(get_args, (Engine, Precision, Device))):
        here = replace(FULL, accelerator=device if device in {"cuda", "mps"} else None)
        wish = Wish(engine, precision, device)
        if impossible(engine, precision, device):
            with pytest.raises(ConfigError):
                choose(wish, here)
            continue
        choice = choose(wish, here)
        assert engine in {"auto", choice.engine}
        assert precision in {"auto", choice.precision}
        assert device in {"auto", choice.device}


def figures(least: float, usual: float, large: float) -> Figures:
    """An engine that took so long with either batch, in each of three rounds."""
    return Figures(least, least, [(USUAL, usual), (LARGE, large)], [min(usual, large)] * 3)


def found(ours: float, theirs: float, least: float = 0.99996, large: float = 9.0) -> Measured:
    """Measurements of ONNX Runtime and OpenVINO: microseconds a token with the usual batch."""
    return Measured(
        {
            "onnx-fp32": figures(1.0, ours, large * ours),
            "openvino-bf16": figures(least, theirs, large * theirs),
        }
    )


def settled(measured: Measured | None, wish: Wish = Wish()) -> Choice:  # noqa: B008 - frozen
    """The choice after a measurement."""
    return settle(choose(wish, FULL), measured)


def test_a_faster_engine_with_the_same_embeddings_is_taken() -> None:
    """Auto goes over to OpenVINO, and says how much faster and how near it is."""
    choice = settled(found(150.0, 100.0))
    assert (choice.key, choice.batch, choice.rival) == ("openvino-bf16", USUAL, None)
    assert "at least 1.50 times as fast" in choice.reason
    assert "0.99996" in choice.reason


@pytest.mark.parametrize(
    "measured",
    [
        found(105.0, 100.0),
        found(90.0, 100.0),
        found(200.0, 100.0, least=0.9998),
        found(200.0, 100.0, least=float("nan")),
    ],
)
def test_what_is_not_faster_or_not_the_same_is_not_taken(measured: Measured) -> None:
    """A gain within the margin is not worth it, and no gain is worth other embeddings."""
    choice = settled(measured)
    assert choice.key == "onnx-fp32"
    assert choice.reason.startswith("measured: OpenVINO bf16 is ")


def test_the_fastest_batch_is_taken() -> None:
    """Where another is faster than the usual one by more than noise."""
    assert settled(found(100.0, 200.0, large=0.9)).batch == LARGE
    assert settled(found(100.0, 200.0, large=0.99)).batch == USUAL
    assert settled(found(100.0, 50.0, large=0.9)).batch == LARGE


def test_each_engine_is_compared_at_its_best() -> None:
    """A batch that suits one of them does not decide."""
    measured = found(100.0, 95.0)
    measured.engines["onnx-fp32"] = figures(1.0, 100.0, 80.0)
    assert settled(measured).key == "onnx-fp32"


def test_one_round_does_not_decide() -> None:
    """Another engine has to be faster in each round: something else may have slowed one down."""
    measured = found(150.0, 100.0)
    measured.engines["onnx-fp32"].rounds[1] = 105.0
    choice = settled(measured)
    assert choice.key == "onnx-fp32"
    assert "at least 1.05 times as fast" in choice.reason


def test_what_was_asked_for_stays() -> None:
    """A measurement sizes the batches of an engine that was asked for, and replaces it by none."""
    choice = settled(found(100.0, 200.0, large=0.5), Wish(engine="openvino"))
    assert (choice.key, choice.batch) == ("openvino-bf16", LARGE)
    assert choice.reason == "asked for; least cosine to fp32 0.99996"


def test_without_a_measurement_the_usual_one_runs() -> None:
    """Nothing measured, a failed measurement, or one of something else: ONNX Runtime as usual."""
    first = choose(Wish(), FULL)
    assert settled(None) == first
    failed = settled(Measured(failed="exit status -4: no message"))
    assert (failed.key, failed.batch) == ("onnx-fp32", USUAL)
    assert "exit status -4" in failed.reason
    assert settled(Measured()) == first
    assert settled(found(9.0, 1.0), Wish(precision="int8")).key == "onnx-int8"
