"""The local Hugging Face cache: what is put there, and what is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.embed.hub_cache import (
    cache_root,
    find_snapshot,
    recorded_embedding_function,
    seed_hub_cache,
)
from ingestd.embed.model import PACKAGED_NAME, ModelSpec, locate

pytestmark = pytest.mark.model

_REPO = "models--sentence-transformers--all-MiniLM-L6-v2"
_TEXTS = ["hello world", "안녕하세요"]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    """The packaged model."""
    return locate("")


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(path): path.lstat() for path in folder.rglob("*")}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def test_the_public_name_resolves_without_network(spec: ModelSpec, tmp_path: Path) -> None:
    """A reader with nothing but the seeded cache loads the public name and gets our vectors."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE"))}
    environment |= {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    seed_hub_cache(spec, root=tmp_path / "hub")
    program = (
        "import sys, numpy\n"
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1], device='cpu')\n"
        "numpy.save(sys.argv[2], model.encode(sys.argv[3:], normalize_embeddings=True))\n"
    )
    target = tmp_path / "vectors.npy"
    command = [sys.executable, "-c", program, spec.public_name, str(target), *_TEXTS]
    subprocess.run(command, env=environment, check=True, timeout=120)
    embedder = TorchEmbedder(spec, device="cpu")
    assert (np.load(target) * embedder.embed(_TEXTS)).sum(axis=1).min() > 0.9999
    embedder.close()


def test_seeding_twice_changes_nothing(spec: ModelSpec, tmp_path: Path) -> None:
    """The second time finds everything in place and writes nothing."""
    first = seed_hub_cache(spec, root=tmp_path)
    before = _tree(tmp_path)
    assert seed_hub_cache(spec, root=tmp_path) == first
    assert _tree(tmp_path) == before
    assert find_snapshot(spec.public_name, root=tmp_path) == first


def test_what_was_seeded_can_be_located(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot is a whole model, of the same embedding space."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    snapshot = seed_hub_cache(spec)
    assert cache_root() == tmp_path
    found = locate(str(snapshot))
    assert found.weights_sha256 == spec.weights_sha256
    assert found.fingerprint == spec.fingerprint


def test_damage_is_repaired(spec: ModelSpec, tmp_path: Path) -> None:
    """Lost blobs, cut blobs, dangling links and a torn ref are put right."""
    snapshot = seed_hub_cache(spec, root=tmp_path)
    assert snapshot is not None
    weights = (snapshot / "model.safetensors").resolve()
    weights.unlink()
    config = (snapshot / "config.json").resolve()
    config.unlink()
    config.write_bytes(b"{")
    (snapshot / "vocab.txt").unlink()
    (snapshot / "vocab.txt").symlink_to("/nowhere")
    (tmp_path / _REPO / "refs" / "main").write_text("torn")
    assert find_snapshot(spec.public_name, root=tmp_path) is None
    assert seed_hub_cache(spec, root=tmp_path) == snapshot
    for name in ("model.safetensors", "config.json", "vocab.txt"):
        assert (snapshot / name).read_bytes() == (spec.path / name).read_bytes()


def test_a_real_download_is_left_alone(spec: ModelSpec, tmp_path: Path) -> None:
    """Where the name is there already, nothing is written and its snapshot counts."""
    real = tmp_path / _REPO / "snapshots" / ("a" * 40)
    shutil.copytree(spec.path, real)
    (tmp_path / _REPO / "refs").mkdir()
    (tmp_path / _REPO / "refs" / "main").write_text("a" * 40)
    before = _tree(tmp_path)
    assert seed_hub_cache(spec, root=tmp_path) == real
    assert _tree(tmp_path) == before


def test_a_started_download_is_left_alone(spec: ModelSpec, tmp_path: Path) -> None:
    """A download that is not whole is nobody's but the downloader's; we tell that it is missing."""
    (tmp_path / _REPO / "refs").mkdir(parents=True)
    (tmp_path / _REPO / "refs" / "main").write_text("a" * 40)
    before = _tree(tmp_path)
    assert seed_hub_cache(spec, root=tmp_path) is None
    assert _tree(tmp_path) == before


def test_a_later_download_takes_over(spec: ModelSpec, tmp_path: Path) -> None:
    """When the hub's client moves the ref, its snapshot is the one that is found and kept."""
    seed_hub_cache(spec, root=tmp_path)
    real = tmp_path / _REPO / "snapshots" / ("b" * 40)
    shutil.copytree(spec.path, real)
    (tmp_path / _REPO / "refs" / "main").write_text("b" * 40)
    assert find_snapshot(spec.public_name, root=tmp_path) == real
    assert seed_hub_cache(spec, root=tmp_path) == real


def test_clean_up_tools_do_not_reach_the_package(spec: ModelSpec, tmp_path: Path) -> None:
    """Deleting our snapshot with the hub's own tool leaves the package's files in place."""
    from huggingface_hub import scan_cache_dir

    snapshot = seed_hub_cache(spec, root=tmp_path)
    assert snapshot is not None
    shutil.copytree(spec.path, tmp_path / _REPO / "snapshots" / ("b" * 40))
    found = scan_cache_dir(tmp_path)
    assert not found.warnings
    found.delete_revisions(snapshot.name).execute()
    assert not snapshot.exists()
    assert (spec.path / "model.safetensors").stat().st_size > 10**7


def test_other_file_systems_get_a_copy(
    spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where hard links are not possible, the files are copied."""

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    snapshot = seed_hub_cache(spec, root=tmp_path)
    assert snapshot is not None
    assert not (snapshot / "model.safetensors").is_symlink()
    copied = (snapshot / "tokenizer.json").read_bytes()
    assert copied == (spec.path / "tokenizer.json").read_bytes()


def test_other_models_are_not_seeded(spec: ModelSpec, tmp_path: Path) -> None:
    """Only the packaged model with its known weights goes under its public name."""
    assert seed_hub_cache(locate("hash"), root=tmp_path) is None
    assert seed_hub_cache(replace(spec, public_name="acme/own"), root=tmp_path) is None
    assert seed_hub_cache(replace(spec, weights_sha256="0" * 64), root=tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ref", ["", "../../../etc", "main", "A" * 40])
def test_a_ref_that_is_no_commit_is_ignored(tmp_path: Path, ref: str) -> None:
    """A torn or hostile ref leads nowhere."""
    (tmp_path / _REPO / "refs").mkdir(parents=True)
    (tmp_path / _REPO / "refs" / "main").write_text(ref)
    assert find_snapshot(PACKAGED_NAME, root=tmp_path) is None


def test_chroma_accepts_the_recorded_function(spec: ModelSpec) -> None:
    """The record is a valid configuration of Chroma's function, and can carry no code."""
    from chromadb.utils.embedding_functions import known_embedding_functions

    config = recorded_embedding_function(spec)
    assert config is not None
    known_embedding_functions["sentence_transformer"].validate_config(config)
    assert config["model_name"] == PACKAGED_NAME
    assert config["kwargs"] == {}
    assert recorded_embedding_function(locate("hash")) is None
