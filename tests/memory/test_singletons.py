"""However many jobs there are, a process makes one Chroma client and opens one model."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from chromadb.api.client import Client
from chromadb.api.shared_system_client import SharedSystemClient

from ingestd.config import load
from ingestd.embed.engines.hashing import HashEmbedder
from ingestd.embed.engines.onnx import OnnxEmbedder
from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.instance import open_instance

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = (Client, HashEmbedder, OnnxEmbedder, TorchEmbedder)
FILES = 10


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kind of client and model is made; the real ones are."""
    counts: Counter[str] = Counter()

    def counted(cls: type) -> None:
        original: Any = cls.__init__  # type: ignore[misc] # it is the class's own

        def init(self: object, *args: Any, **kwargs: Any) -> None:
            counts[cls.__name__] += 1
            original(self, *args, **kwargs)

        monkeypatch.setattr(cls, "__init__", init)

    for cls in CLASSES:
        counted(cls)
    return counts


async def run_jobs(tmp_path: Path, jobs: int, model: str, cache: Path) -> tuple[int, int]:
    """Edit a file and drain the queue, again and again; documents done, and texts embedded."""
    docs = tmp_path / "docs"
    docs.mkdir()
    settings, location = load(
        state_dir=tmp_path / "state",
        overrides={
            "sources": [{"path": docs}],
            "model.name": model,
            "limits.free_bytes": 0,
        },
    )
    location = replace(location, cache_dir=cache)
    before = set(SharedSystemClient._identifier_to_system)  # noqa: SLF001 - Chroma's own
    async with open_instance(settings, location, "embedded", verb="test") as instance:
        (source,) = instance.sources.values()
        for number in range(jobs):
            name = f"note-{number % FILES}.md"
            (docs / name).write_text(f"# Note\n\nThis is what job {number} wrote.\n", "utf-8")
            await asyncio.to_thread(instance.reconciler.look, source, [name.encode()])
            assert await instance.job.drain() >= 1
        systems = SharedSystemClient._identifier_to_system  # noqa: SLF001 - Chroma's own
        assert len(systems.keys() - before) == 1
        return instance.totals.done, instance.totals.chunks["embedded"]


@pytest.mark.slow
def test_a_thousand_jobs_make_one_client_and_one_model(
    tmp_path: Path, made: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job embeds, writes and replaces a text; none opens anything of its own."""
    monkeypatch.setenv("INGESTD_CONFIG", "")
    done, embedded = asyncio.run(run_jobs(tmp_path, 1_000, "hash", tmp_path / "cache"))
    assert done >= 1_000
    assert embedded == 1_000
    assert made == {"Client": 1, "HashEmbedder": 1}


@pytest.mark.model
def test_twenty_jobs_with_the_real_model(
    tmp_path: Path, made: Counter[str], export_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged model is loaded once, by the engine of its choice, and torch never is."""
    monkeypatch.setenv("INGESTD_CONFIG", "")
    done, embedded = asyncio.run(run_jobs(tmp_path, 20, "", export_dir))
    assert done >= 20
    assert embedded == 20
    assert made == {"Client": 1, "OnnxEmbedder": 1}
