"""Opens a model, and has it answer: what does not work is found before anybody relies on it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ingestd.embed.engines import open_embedder
from ingestd.errors import ModelRefusedError

from . import answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ingestd.embed.model import ModelSpec
    from ingestd.ports import Embedder

    from .packages import Package


def run(spec: ModelSpec, cache_dir: Path, package: Package | None = None) -> dict[str, list[str]]:
    """Open a model that is new, and return what it answers.

    Args:
        spec: the model.
        cache_dir: where its export goes, and stays.
        package: that it was made of, whose own engine's answers are known.

    Raises:
        ModelRefusedError: it answers otherwise than the package's own engine.
        ModelMissingError: it cannot be opened.
    """
    before = made_of(spec.weights_sha256, cache_dir)
    try:
        with opened(spec, cache_dir) as embedder:
            if package:
                _compare(embedder, package)
            return answers.of(embedder)
    except BaseException:
        made = made_of(spec.weights_sha256, cache_dir)
        delete(path for path in made if path not in before)
        raise


@contextmanager
def opened(spec: ModelSpec, cache_dir: Path) -> Iterator[Embedder]:
    """A model, as it is used by default."""
    embedder = open_embedder(spec, cache_dir=cache_dir)
    try:
        yield embedder
    finally:
        embedder.close()


@contextmanager
def passing_cache(scratch: Path) -> Iterator[Path]:
    """A cache directory of which nothing stays."""
    folder = scratch / "cache"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def made_of(weights_sha256: str, cache_dir: Path) -> list[Path]:
    """What was made of a model and can be made again: exports and measurements."""
    start = weights_sha256[:16]
    return [*(cache_dir / "onnx").glob(f"{start}-*"), *(cache_dir / "engines").glob(f"{start}-*")]


def bytes_of(paths: Iterable[Path]) -> int:
    """How much files and folders take."""
    files = (file for path in paths for file in (path, *path.rglob("*")) if file.is_file())
    return sum(file.stat().st_size for file in files)


def delete(paths: Iterable[Path]) -> None:
    """Delete files and folders; what cannot be deleted stays."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _compare(embedder: Embedder, package: Package) -> None:
    cosine = answers.least_cosine(embedder, package.answers)
    if cosine < answers.LEAST_COSINE:
        raise ModelRefusedError(
            f"it answers otherwise than the engine of the package: cosine {cosine:.4f}",
            hint="Please report this; versions: `ingestd version`.",
        )
