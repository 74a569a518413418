"""The ONNX file of a model: made once, offline, in a process of its own.

The child (`exporting`) writes the graph and compares the finished engine with
sentence-transformers; so torch never enters the process that embeds. The result lives in the cache
directory under the digest of the weights, with a note of what was measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.embed import model_folder
from ingestd.embed.engines import bert, child
from ingestd.embed.engines.graph import WEIGHTS
from ingestd.engine_options import space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.model import ModelSpec

FORMAT = 2
GRAPH = "model.onnx"
NOTE = "export.json"

_TIMEOUT_S = 900


class ExportError(Exception):
    """The model cannot be run by ONNX Runtime; the message says why."""


def folder_of(spec: ModelSpec, cache_dir: Path) -> Path:
    """Where the export of a model is kept, made or not."""
    kind = "-int8" if space(spec.precision) == "int8" else ""
    return cache_dir / "onnx" / f"{spec.weights_sha256[:16]}-{spec.pooling}{kind}-v{FORMAT}"


def exported(spec: ModelSpec, cache_dir: Path) -> Path:
    """The ONNX file of a model, made now when there is no sound one.

    Args:
        spec: a model with files; where it asks for int8, its products are in 8 bits.
        cache_dir: what may be deleted at any time; the file goes below ``onnx``.

    Returns:
        Its path. Another process that wants the same file waits for this one.

    Raises:
        ExportError: the architecture has no export, or the result differs from torch.
        OSError: the cache directory cannot be written.
    """
    folder = folder_of(spec, cache_dir)
    if is_sound(folder, spec):
        return folder / GRAPH
    if reason := unsupported(spec):
        raise ExportError(reason)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not is_sound(folder, spec):
            for left in folder.glob("new-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            _make(spec, folder)
            _drop_older(folder)
    return folder / GRAPH


def is_sound(folder: Path, spec: ModelSpec) -> bool:
    """Whether an export is there, is whole, and was made of these weights."""
    try:
        told = note(folder)
        digests = {name: digest_of(folder / name) for name in (GRAPH, WEIGHTS)}
        return (told["weights_sha256"], told["files"]) == (spec.weights_sha256, digests)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def note(folder: Path) -> dict[str, Any]:
    """What was measured when an export was made.

    Raises:
        OSError: there is none.
        ValueError: it is damaged.
    """
    told: dict[str, Any] = json.loads((folder / NOTE).read_text("utf-8"))
    return told


def digest_of(file: Path) -> str:
    """Hex SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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
        # The note last: it vouches for the others by their digests.
        for name in (WEIGHTS, GRAPH, NOTE):
            (Path(scratch) / name).replace(folder / name)
    seconds = round(time.monotonic() - started, 1)
    log.info("model_exported", model=spec.public_name, seconds=seconds)


def _run_child(spec: ModelSpec, scratch: Path) -> None:
    fields = json.dumps(asdict(spec), default=str)
    module = f"{__package__}.exporting"
    process = child.start(module, [fields, str(scratch)], scratch)
    try:
        reason = child.failure(process, _TIMEOUT_S)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if reason:
        raise ExportError(f"the export failed: {reason}")


def _drop_older(folder: Path) -> None:
    """Delete what earlier versions of ingestd made of the same model: who maps it, keeps it."""
    formats = [folder.name.replace(f"-v{FORMAT}", f"-v{old}") for old in range(1, FORMAT)]
    for name in formats:
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel, however this process ends
        yield
