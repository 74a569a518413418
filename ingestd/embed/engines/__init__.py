"""The ways to run an embedding model, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd.memory import heap

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.engines.halving import HalvingEmbedder
    from ingestd.embed.model import ModelSpec
    from ingestd.engine_options import Device, Engine
    from ingestd.settings.content import ModelSettings


def open_embedder(
    spec: ModelSpec,
    *,
    cache_dir: Path,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: int | None = None,
    long_lived: bool = False,
) -> HalvingEmbedder:
    """Load a model; short of memory, it goes on with smaller batches.

    Args:
        spec: the model, from `ingestd.embed.model.configured` or `locate`; it knows the precision
            that is asked for.
        cache_dir: where exports and measurements are kept; it may be deleted at any time.
        engine: ``auto`` takes torch where there is a GPU, else ONNX Runtime, or OpenVINO where that
            was measured to be faster with the same embeddings, and torch again where the model
            has no export.
        device: ``auto`` is a GPU that torch can use, or the CPU.
        threads: cores to use on a CPU; by default all that this process may use.
        long_lived: whether it pays to measure what is fastest here; the log says what runs.

    Raises:
        ModelMissingError: it cannot be loaded, or not by the engine that was asked for.
        EngineMissingError: what is asked for is not on this machine.
        ConfigError: the wishes contradict each other.
    """
    from ingestd.embed.engines.halving import HalvingEmbedder  # noqa: PLC0415  # numpy is slow

    if spec.hashed:
        from ingestd.embed.engines.hashing import HashEmbedder  # noqa: PLC0415  # only this one

        return HalvingEmbedder(HashEmbedder(spec.dimension))
    from ingestd.embed.engines.choice import Wish  # noqa: PLC0415  # only models with files
    from ingestd.embed.engines.opening import Opener  # noqa: PLC0415  # the same
    from ingestd.embed.engines.planning import plan  # noqa: PLC0415  # the same

    planned = plan(spec, cache_dir, Wish(engine, spec.precision, device), threads)
    opened = Opener(planned, tell=long_lived).open(measure=long_lived)
    heap.trim()  # what loading took and freed: 29 MB of the packaged model
    return HalvingEmbedder(opened)


def require(spec: ModelSpec, settings: ModelSettings) -> None:
    """Fail at once when what the configuration asks for is not on this machine.

    Raises:
        EngineMissingError: an engine, a precision or a device is missing.
    """
    wishes = {settings.engine, settings.precision, settings.device}
    if not spec.hashed and wishes != {"auto"}:  # that is possible everywhere
        from ingestd.embed.engines.choice import Wish, choose  # noqa: PLC0415  # light without
        from ingestd.embed.engines.machine import look  # noqa: PLC0415  # the same

        choose(Wish(settings.engine, settings.precision, settings.device), look(spec))
