"""The local Hugging Face cache: find a model in it, and put the packaged model into it.

A RAG app that queries with texts has Chroma load the model by its public name. On a machine
without network that works only when the name is in this cache, so the daemon seeds it.

Files are hard-linked or copied, never symlinked into the package: cache clean-up tools delete
what a snapshot's links point at, and would delete the package's own files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.model import ModelSpec

_COMMIT_LENGTH = 40
_LARGE = (".safetensors", ".bin", ".onnx", ".h5", ".gz")
_NEEDED = ("config.json", "tokenizer.json")
# sentence-transformers asks for these, too. Where the cache does not say that they do not exist,
# a reader without network waits 23 s for each.
_ABSENT = (
    "adapter_config.json",
    "added_tokens.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)
_EMPTY = "2_Normalize/config.json"  # for this one, a note of absence is not enough


def cache_root() -> Path:
    """The folder in which sentence-transformers looks up models by name."""
    if home := os.environ.get("SENTENCE_TRANSFORMERS_HOME"):
        return Path(home)
    from huggingface_hub import constants  # noqa: PLC0415  # only needed where a name is looked up

    return Path(constants.HF_HUB_CACHE)


def find_snapshot(repo: str, *, root: Path | None = None) -> Path | None:
    """The folder of a model that is in the cache, without asking the network.

    Args:
        repo: public name, ``owner/name``.
        root: the cache; by default the one of this user.

    Returns:
        The snapshot of revision ``main`` when its configuration, tokenizer and weights are there.
    """
    folder = _repo_folder(root or cache_root(), repo)
    commit = _commit_of(folder)
    snapshot = folder / "snapshots" / commit if commit else None
    return snapshot if snapshot is not None and _complete(snapshot) else None


def seed_hub_cache(spec: ModelSpec, *, root: Path | None = None) -> Path | None:
    """Put the packaged model into the local cache under its public name.

    Safe to repeat; what a real download has put there is never touched, and a later download
    takes over by moving ``refs/main``. A snapshot of ours that lost files is filled again.

    Args:
        spec: the model in use; anything but the packaged model is left alone.
        root: the cache; by default the one of this user.

    Returns:
        The snapshot that the public name now resolves to, or None when there is none.

    Raises:
        OSError: the cache cannot be written.
    """
    if not spec.packaged:
        return None
    folder = _repo_folder(root or cache_root(), spec.public_name)
    blobs = {path.relative_to(spec.path): _blob_name(path) for path in _files(spec.path)}
    ours = _commit_for(blobs)
    if _commit_of(folder) not in {None, ours}:
        return find_snapshot(spec.public_name, root=root)
    snapshot = folder / "snapshots" / ours
    for relative, blob in blobs.items():
        _place(spec.path / relative, folder / "blobs" / blob)
        _link(snapshot / relative, folder / "blobs" / blob)
    _note_absent(folder, ours, blobs)
    # Last: the name resolves only once everything is there.
    _write(folder / "refs" / "main", ours)
    return snapshot


def recorded_embedding_function(spec: ModelSpec) -> dict[str, Any] | None:
    """The configuration of Chroma's ``sentence_transformer`` embedding function for a collection.

    Returns:
        What Chroma stores and hands to readers of the collection; None for a test model, which
        sentence-transformers cannot load. ``kwargs`` is always empty: it must never carry code.
    """
    if spec.hashed:
        return None
    return {
        "model_name": spec.public_name,
        "device": "cpu",
        "normalize_embeddings": True,
        "kwargs": {},
    }


def _repo_folder(root: Path, repo: str) -> Path:
    return root / f"models--{repo.replace('/', '--')}"


def _commit_of(folder: Path) -> str | None:
    try:
        commit = (folder / "refs" / "main").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # A ref that is no commit (torn write) counts as none, and keeps ".." out of paths.
    good = len(commit) == _COMMIT_LENGTH and not set(commit) - set("0123456789abcdef")
    return commit if good else None


def _complete(snapshot: Path) -> bool:
    if not all(any(snapshot.rglob(name)) for name in _NEEDED):
        return False
    # exists() follows links: a link whose blob is gone does not count.
    return any(path.exists() for path in snapshot.rglob("*.safetensors"))


def _files(model: Path) -> Iterator[Path]:
    for path in sorted(model.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _blob_name(path: Path) -> str:
    """Name a file as the hub does, so that a later download finds equal files in place."""
    if path.suffix in _LARGE:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    data = path.read_bytes()
    # Git's object id: a name that the hub gives to small files, not a protection.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _commit_for(blobs: dict[Path, str]) -> str:
    lines = "".join(f"{blob} {relative.as_posix()}\n" for relative, blob in blobs.items())
    return hashlib.sha256(lines.encode()).hexdigest()[:_COMMIT_LENGTH]


def _place(source: Path, blob: Path) -> None:
    with contextlib.suppress(OSError):
        if blob.stat().st_size == source.stat().st_size:
            return
    with _scratch(blob) as scratch:
        try:
            os.link(source, scratch)
        except OSError:  # another file system, or the file of another user
            shutil.copyfile(source, scratch)
        scratch.replace(blob)


def _link(entry: Path, blob: Path) -> None:
    if entry.exists():
        return
    with _scratch(entry) as scratch:
        try:
            scratch.symlink_to(os.path.relpath(blob, entry.parent))
        except OSError:  # a file system without links
            shutil.copyfile(blob, scratch)
        scratch.replace(entry)


def _note_absent(folder: Path, commit: str, blobs: dict[Path, str]) -> None:
    _write(folder / "snapshots" / commit / _EMPTY, "{}")
    for name in _ABSENT:
        if Path(name) not in blobs:
            _write(folder / ".no_exist" / commit / name, "")


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with _scratch(path) as scratch:
        scratch.write_text(text, "ascii")
        scratch.replace(path)


@contextlib.contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A name beside the target for a file to be renamed onto it: readers never see half of one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ingestd-", dir=target.parent) as folder:
        yield Path(folder) / target.name
