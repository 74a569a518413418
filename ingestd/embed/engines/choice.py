"""Which engine runs a model, in which precision and where: a decision without effects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestd.embed.engines.batches import GPU, SINGLE, TORCH, USUAL, Batch
from ingestd.engine_options import Device, Engine, Precision, impossible
from ingestd.errors import ConfigError, EngineMissingError

if TYPE_CHECKING:
    from ingestd.embed.engines.measured import Figures, Measured

NAMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO", "torch": "torch"}
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}
LEAST_COSINE = 0.9999
"""What embeddings may differ from those of fp32 and still be the same."""
MARGIN = 1.1
"""How much faster another engine must be, measured, to be worth its memory."""
BATCH_MARGIN = 1.03

_OPENVINO_HINT = 'Install it: pip install "ingestd[openvino]"'


@dataclass(frozen=True, slots=True)
class Wish:
    """What the configuration asks for."""

    engine: Engine = "auto"
    precision: Precision = "auto"
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class Here:
    """What there is on this machine, for one model.

    Attributes:
        accelerator: ``cuda`` or ``mps`` where torch seems to be able to use one.
        openvino: whether the package is installed.
        bf16: whether the processor computes in bfloat16.
        no_export: why the model cannot be exported; None where it can.
    """

    accelerator: str | None = None
    openvino: bool = False
    bf16: bool = False
    no_export: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs the model.

    Attributes:
        engine: ``onnx``, ``openvino`` or ``torch``.
        precision: ``fp32``, ``bf16`` or ``int8``.
        device: ``cpu``, ``cuda`` or ``mps``.
        reason: why this one.
        batch: how much goes through it in one call.
        rival: an engine and its precision that may be better; to be measured.
    """

    engine: str
    precision: str
    device: str
    reason: str
    batch: Batch
    rival: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """Engine and precision in one word."""
        return f"{self.engine}-{self.precision}"

    @property
    def measurable(self) -> bool:
        """Whether a measurement can make it better: its batches, or another engine."""
        return self.engine in {"onnx", "openvino"} and self.precision != "int8"


def choose(wish: Wish, here: Here) -> Choice:
    """Decide, before anything is measured.

    Raises:
        ConfigError: the wishes contradict each other.
        EngineMissingError: what is asked for is not here.
    """
    if message := impossible(wish.engine, wish.precision, wish.device):
        raise ConfigError(f"model: {message}")
    if wish.device not in {"auto", "cpu", here.accelerator}:
        raise EngineMissingError(
            f'There is no device = "{wish.device}" here that the installed torch can use.',
            hint="Install its driver and a build of torch for it, or leave `model.device` at auto.",
        )
    device = here.accelerator if wish.device == "auto" else wish.device
    if device not in {None, "cpu"} and wish.engine in {"auto", "torch"} and not _int8(wish):
        precision = "bf16" if wish.precision == "bf16" else "fp32"
        return Choice("torch", precision, str(device), "there is a GPU", GPU)
    if wish.precision == "bf16" and not here.bf16:
        raise EngineMissingError(
            "This processor does not compute in bfloat16: it would only be slower.",
            hint="Leave `model.precision` at auto.",
        )
    return _on_cpu(wish, here)


def settle(choice: Choice, measured: Measured | None) -> Choice:
    """Decide again, after a measurement.

    Args:
        choice: the decision before.
        measured: what was found; None where nothing was measured yet.
    """
    if measured is None or not choice.measurable:
        return choice
    if measured.failed:
        return replace(choice, rival=None, reason=f"the measurement failed: {measured.failed}")
    ours = measured.engines.get(choice.key)
    if ours is None:
        return choice
    settled = replace(choice, rival=None, batch=ours.best(USUAL, BATCH_MARGIN))
    if choice.precision == "bf16":
        near = f"least cosine to fp32 {ours.least_cosine:.5f}"
        return replace(settled, reason=f"{choice.reason}; {near}")
    theirs = measured.engines.get("-".join(choice.rival)) if choice.rival else None
    return _compare(choice, settled, ours, theirs) if theirs else settled


def _compare(choice: Choice, settled: Choice, ours: Figures, theirs: Figures) -> Choice:
    """The better of a settled choice and its rival."""
    engine, precision = choice.rival or ("", "")
    batch = theirs.best(USUAL, BATCH_MARGIN)
    # In each round by itself: a disturbance of one of them does not decide.
    pairs = zip(ours.rounds, theirs.rounds, strict=False)
    times = min((one / other for one, other in pairs), default=0.0)
    found = f"at least {times:.2f} times as fast as {NAMES[choice.engine]} {choice.precision}"
    found += f", least cosine {theirs.least_cosine:.5f}"
    if theirs.least_cosine >= LEAST_COSINE and times >= MARGIN:
        reason = f"measured: {found}"
        return replace(settled, engine=engine, precision=precision, batch=batch, reason=reason)
    return replace(settled, reason=f"measured: {NAMES[engine]} {precision} is {found}")


def _on_cpu(wish: Wish, here: Here) -> Choice:
    if _int8(wish):
        if here.no_export:
            raise EngineMissingError(f"The model cannot be run in int8: {here.no_export}.")
        return Choice("onnx", "int8", "cpu", "asked for", SINGLE)
    if wish.engine == "openvino":
        return _openvino(wish, here)
    if wish.precision == "bf16":
        return _bf16(wish, here)
    if wish.engine == "torch" or (wish.engine == "auto" and here.no_export):
        reason = "asked for" if wish.engine == "torch" else str(here.no_export)
        return Choice("torch", "fp32", "cpu", reason, TORCH["fp32"])
    reason = "asked for" if wish.engine == "onnx" else "usual on a CPU"
    fast = wish.engine == wish.precision == "auto" and here.openvino and here.bf16
    rival = ("openvino", "bf16") if fast else None
    return Choice("onnx", "fp32", "cpu", reason, USUAL, rival)


def _bf16(wish: Wish, here: Here) -> Choice:
    if wish.engine == "auto" and here.openvino and not here.no_export:
        return Choice("openvino", "bf16", "cpu", "bf16 is asked for", USUAL)
    lacking = here.no_export or "OpenVINO, which is faster, is not installed"
    reason = "asked for" if wish.engine == "torch" else f"bf16 is asked for; {lacking}"
    return Choice("torch", "bf16", "cpu", reason, TORCH["bf16"])


def _openvino(wish: Wish, here: Here) -> Choice:
    if not here.openvino:
        raise EngineMissingError(
            "OpenVINO is not installed in this Python environment.", hint=_OPENVINO_HINT
        )
    if here.no_export:
        raise EngineMissingError(f"OpenVINO cannot run the model: {here.no_export}.")
    usual = "bf16" if here.bf16 else "fp32"
    precision = usual if wish.precision == "auto" else wish.precision
    return Choice("openvino", precision, "cpu", "asked for", USUAL)


def _int8(wish: Wish) -> bool:
    return wish.precision == "int8"
