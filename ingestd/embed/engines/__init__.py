"""The ways to run an embedding model, and the choice between them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingestd.memory import heap

if TYPE_CHECKING:
    from ingestd.embed.engines.halving import HalvingEmbedder
    from ingestd.embed.engines.torch import TorchEmbedder
    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Embedder

Engine = Literal["auto", "onnx", "torch"]
# What a driver shows, and the library of torch that can use it: looked at without importing torch.
_ACCELERATORS = (("/dev/nvidiactl", "libtorch_cuda.so"), ("/dev/kfd", "libtorch_hip.so"))


def open_embedder(
    spec: ModelSpec, *, cache_dir: Path, engine: Engine = "auto", threads: int | None = None
) -> HalvingEmbedder:
    """Load a model; short of memory, it goes on with smaller batches.

    Args:
        spec: the model, from `ingestd.embed.model.locate`.
        cache_dir: where the ONNX export is kept; it may be deleted at any time.
        engine: ``auto`` takes torch where there is a GPU, else ONNX Runtime, and torch again
            where the model has no export.
        threads: cores to use on a CPU; by default all that this process may use.

    Raises:
        ModelMissingError: it cannot be loaded, or not by the engine that was asked for.
    """
    from ingestd.embed.engines.halving import HalvingEmbedder  # noqa: PLC0415  # numpy is slow

    if spec.hashed:
        from ingestd.embed.engines.hashing import HashEmbedder  # noqa: PLC0415  # only this one

        return HalvingEmbedder(HashEmbedder(spec.dimension))
    embedder = _open(spec, cache_dir, engine, threads)
    heap.trim()  # what loading took and freed: 29 MB of the packaged model
    return HalvingEmbedder(embedder)


def _open(spec: ModelSpec, cache_dir: Path, engine: Engine, threads: int | None) -> Embedder:
    if engine == "torch":
        return _open_torch(spec, threads)
    if engine == "auto" and has_accelerator():
        embedder = _open_torch(spec, threads)
        if embedder.device != "cpu":
            return embedder
        embedder.close()  # torch cannot use the device after all
    return _open_onnx(spec, cache_dir, engine, threads)


def has_accelerator() -> bool:
    """Whether there seems to be a GPU that the installed torch can use."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    libraries = Path(found.origin).parent / "lib"
    return any(
        Path(device).exists() and (libraries / library).exists()
        for device, library in _ACCELERATORS
    )


def _open_onnx(spec: ModelSpec, cache_dir: Path, engine: Engine, threads: int | None) -> Embedder:
    from ingestd.embed.engines.export import exported  # noqa: PLC0415  # only this one
    from ingestd.embed.engines.onnx import OnnxEmbedder  # noqa: PLC0415  # the same
    from ingestd.errors import ModelMissingError  # noqa: PLC0415  # the same

    try:
        return OnnxEmbedder(spec, exported(spec, cache_dir), threads=threads)
    except ModelMissingError:
        raise
    except Exception as error:  # also what ONNX Runtime raises, which has no common class
        if engine == "onnx":
            raise ModelMissingError(
                f"ONNX Runtime cannot run the model {spec.public_name}: {error}",
                hint="Leave `model.engine` at auto: torch runs it, more slowly.",
            ) from error
        import structlog  # noqa: PLC0415  # slow to import, and seldom needed

        structlog.get_logger(__name__).warning(
            "engine_fallback", model=spec.public_name, engine="torch", reason=str(error)
        )
        return _open_torch(spec, threads)


def _open_torch(spec: ModelSpec, threads: int | None) -> TorchEmbedder:
    from ingestd.embed.engines.torch import TorchEmbedder  # noqa: PLC0415  # only this one

    return TorchEmbedder(spec, threads=threads)
