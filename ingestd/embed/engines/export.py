"""Making the ONNX file of a model: once, offline, in a process of its own.

The child writes the graph and compares the finished engine with sentence-transformers; so torch
never enters the process that embeds. The result lives in the cache directory under the digest of
the weights, with a note of what was measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.embed import model_folder
from ingestd.embed.engines import bert
from ingestd.embed.model import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
LEAST_COSINE = 0.9999

_TIMEOUT_S = 900
_ENGLISH = "The daemon watches folders, cuts each document into chunks, and embeds what changed. "
_KOREAN = "파일이 바뀌면 문서를 다시 읽어 조각으로 나누고, 바뀐 조각만 새로 임베딩합니다. "
CHECK_TEXTS = (
    "",
    "a",
    "Hello, World!",
    "안녕하세요",
    "def f(x: int) -> int:\n    return x * 2  # 42",
    "MIXED case, ÜMLAUTS, 数字 123, emoji 🙂 and\ttabs",
    _ENGLISH,
    _KOREAN,
    _ENGLISH * 8,
    _KOREAN * 3,
    _ENGLISH * 60,
    _KOREAN * 60,
)


class ExportError(Exception):
    """The model cannot be run by ONNX Runtime; the message says why."""


def folder_of(spec: ModelSpec, cache_dir: Path) -> Path:
    """Where the export of a model is kept, made or not."""
    return cache_dir / "onnx" / f"{spec.weights_sha256[:16]}-{spec.pooling}-v{FORMAT}"


def exported(spec: ModelSpec, cache_dir: Path) -> Path:
    """The ONNX file of a model, made now when there is no sound one.

    Args:
        spec: a model with files.
        cache_dir: what may be deleted at any time; the file goes below ``onnx``.

    Returns:
        Its path. Another process that wants the same file waits for this one.

    Raises:
        ExportError: the architecture has no export, or the result differs from torch.
        OSError: the cache directory cannot be written.
    """
    folder = folder_of(spec, cache_dir)
    if is_sound(folder, spec):
        return folder / "model.onnx"
    if reason := unsupported(spec):
        raise ExportError(reason)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not is_sound(folder, spec):
            for left in folder.glob("new-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            _make(spec, folder)
    return folder / "model.onnx"


def is_sound(folder: Path, spec: ModelSpec) -> bool:
    """Whether an export is there, is whole, and was made of these weights."""
    try:
        note = json.loads((folder / "export.json").read_text("utf-8"))
        with (folder / "model.onnx").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return (note["weights_sha256"], note["model_sha256"]) == (spec.weights_sha256, digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def unsupported(spec: ModelSpec) -> str | None:
    """Say why a model has no export, from its configuration alone; None when it has one."""
    modules = model_folder.modules(spec.path)
    config = model_folder.transformer_config(modules)
    odd = sorted({kind for kind, _ in modules} - {"Transformer", "Pooling", "Normalize"})
    include_prompt = model_folder.settings(modules, "Pooling").get("include_prompt", True)
    reasons = {
        f"architecture {config.get('model_type')}": config.get("model_type") not in bert.FAMILIES,
        f"activation {config.get('hidden_act')}": config.get("hidden_act") not in bert.ACTIVATIONS,
        "relative positions": config.get("position_embedding_type", "absolute") != "absolute",
        "a decoder": bool(config.get("is_decoder")),
        f"pooling {spec.pooling}": spec.pooling not in bert.POOLING,
        "pooling without the prefix": not include_prompt,
        f"modules {', '.join(odd)}": bool(odd),
    }
    return next((f"no export for {what}" for what, applies in reasons.items() if applies), None)


def _make(spec: ModelSpec, folder: Path) -> None:
    import structlog  # noqa: PLC0415  # slow to import, and most starts find the file made

    log = structlog.get_logger(__name__)
    log.info(
        "model_export", model=spec.public_name, reason="first use; kept in the cache directory"
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as scratch:
        _run_child(spec, Path(scratch))
        # The note last: it vouches for the model by its digest.
        for name in ("model.onnx", "export.json"):
            (Path(scratch) / name).replace(folder / name)
    seconds = round(time.monotonic() - started, 1)
    log.info("model_exported", model=spec.public_name, seconds=seconds)


def _run_child(spec: ModelSpec, scratch: Path) -> None:
    arguments = json.dumps(asdict(spec), default=str)
    # -P and the scratch directory: a module in the folder we were started in must not be imported.
    command = [sys.executable, "-P", "-m", __spec__.name, arguments, str(scratch)]
    try:
        done = subprocess.run(
            command,
            cwd=scratch,
            env=_child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"the export took longer than {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2] or "no message"
        raise ExportError(f"the export failed (exit status {done.returncode}): {last}")


def _child_environment() -> dict[str, str]:
    environment = dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    root = Path(__file__).parents[3]
    if root.name not in {"site-packages", "dist-packages"}:  # run from a checkout
        paths = [str(root), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel, however this process ends
        yield


def _export_in_child(spec: ModelSpec, scratch: Path) -> dict[str, Any]:
    """Write ``model.onnx`` and measure how far it is from sentence-transformers."""
    import onnxruntime  # noqa: PLC0415  # the child's; the parent must stay light
    import sentence_transformers  # noqa: PLC0415  # the same
    import torch  # noqa: PLC0415  # the same

    started = time.monotonic()
    target = scratch / "model.onnx"
    _write_graph(spec, target)
    worst = _worst_cosine(spec, target)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "format": FORMAT,
        "weights_sha256": spec.weights_sha256,
        "model_sha256": digest,
        "worst_cosine": worst,
        "seconds": round(time.monotonic() - started, 2),
        "torch": torch.__version__,
        "sentence_transformers": sentence_transformers.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _write_graph(spec: ModelSpec, target: Path) -> None:
    from safetensors.torch import load_file  # noqa: PLC0415  # numpy's lacks bfloat16

    weights: dict[str, NDArray[np.float32]] = {}
    for file in sorted(spec.transformer.glob("*.safetensors")):
        tensors = load_file(file)
        weights.update((name, tensor.float().numpy()) for name, tensor in tensors.items())
    config = model_folder.read_json(spec.transformer / "config.json")
    bert.bert_graph(config, weights, spec.pooling).write(target)


def _worst_cosine(spec: ModelSpec, target: Path) -> float:
    from ingestd.embed.engines.onnx import OnnxEmbedder  # noqa: PLC0415  # the child's
    from ingestd.embed.engines.torch import TorchEmbedder  # noqa: PLC0415  # the child's

    ours = OnnxEmbedder(spec, target)
    theirs = TorchEmbedder(spec, device="cpu")
    worst = float((ours.embed(CHECK_TEXTS) * theirs.embed(CHECK_TEXTS)).sum(axis=1).min())
    for query in CHECK_TEXTS[:4]:
        worst = min(worst, float(ours.embed_query(query) @ theirs.embed_query(query)))
    return worst


def main(arguments: list[str]) -> int:
    """Run the child: the model as JSON and the directory to write to."""
    fields = json.loads(arguments[0])
    spec = ModelSpec(**(fields | {"path": Path(fields["path"])}))
    note = _export_in_child(spec, Path(arguments[1]))
    if not note["worst_cosine"] >= LEAST_COSINE:  # written so that NaN fails
        sys.stderr.write(f"differs from sentence-transformers: cosine {note['worst_cosine']}\n")
        return 1
    (Path(arguments[1]) / "export.json").write_text(json.dumps(note, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
