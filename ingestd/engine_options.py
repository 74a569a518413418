"""The ways to run a model that may be asked for, and which of them go together."""

from __future__ import annotations

from typing import Literal

Engine = Literal["auto", "onnx", "torch", "openvino"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
Device = Literal["auto", "cpu", "cuda", "mps"]

_PRECISIONS: dict[str, tuple[str, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16"),
    "torch": ("fp32", "bf16"),
}
"""What each engine can compute in."""


def impossible(engine: Engine, precision: Precision, device: Device) -> str | None:
    """Say why a combination does not exist; None when it does, on some machine.

    Args:
        engine: what runs the model.
        precision: what it computes in.
        device: where.
    """
    if engine != "auto" and precision not in {"auto", *_PRECISIONS[engine]}:
        able = " or ".join(f'"{name}"' for name in _PRECISIONS[engine])
        return f'engine = "{engine}" computes in {able}, not in "{precision}"'
    if device in {"cuda", "mps"}:
        if engine not in {"auto", "torch"}:
            return f'engine = "{engine}" runs on the CPU; device = "{device}" needs "torch"'
        if precision == "int8":
            return f'precision = "int8" runs on the CPU, not on device = "{device}"'
    return None


def space(precision: Precision) -> str:
    """The class of precisions whose embeddings are the same to within rounding.

    bf16 keeps them (cosine at least 0.9999), so that it shares the space of fp32; int8 does not.
    """
    return "int8" if precision == "int8" else "fp32"
