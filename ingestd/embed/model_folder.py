"""What a sentence-transformers folder says of itself, read from its files alone.

A folder lists its modules in ``modules.json``; each has a kind and a folder of its own. A file
of an unexpected shape raises the ordinary errors of Python, which ``model`` turns into its own.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ingestd.embed import digests
from ingestd.errors import ModelMissingError

Modules = list[tuple[str, Path]]

_KINDS = {"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"}
_POOLING_FLAGS = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
# The first positions of these are never used by a token.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert"}


def modules(folder: Path) -> Modules:
    """Kind and folder of each module, the transformer first.

    Raises:
        ModelMissingError: it is no model, or one that needs code of its own.
    """
    if not (folder / "modules.json").is_file():
        read_json(folder / "config.json")  # a plain transformer; without this, no model at all
        return [("Transformer", folder)]
    found: Modules = []
    for entry in read_json(folder / "modules.json"):
        kind, path = str(entry["type"]), Path(str(entry["path"]))
        if not kind.startswith("sentence_transformers."):
            raise ModelMissingError(
                f"The model in {folder} needs code of its own ({kind}); ingestd never runs it."
            )
        if path.is_absolute() or ".." in path.parts:
            raise ModelMissingError(f"The model in {folder} points outside of itself: {path}.")
        found.append((kind.rpartition(".")[2], folder / path))
    kinds = [kind for kind, _ in found]
    if kinds[:1] != ["Transformer"] or not _KINDS.issuperset(kinds):
        raise ModelMissingError(
            f"The model in {folder} is not a text transformer with pooling: {', '.join(kinds)}."
        )
    return found


def transformer_config(found: Modules) -> dict[str, Any]:
    """The transformer's ``config.json``.

    Raises:
        ModelMissingError: it or the tokenizer is missing.
    """
    place = found[0][1]
    if not (place / "tokenizer.json").is_file():
        raise ModelMissingError(f"The model in {place} has no tokenizer.json.")
    config: dict[str, Any] = read_json(place / "config.json")
    return config


def weights_digest(folder: Path, found: Modules, book: Path | None = None) -> str:
    """Hex SHA-256 of the weights file, or over the digests of all of them when there are several.

    Args:
        folder: of the model.
        found: its modules.
        book: where digests are kept; None to read the weights in any case.

    Raises:
        ModelMissingError: weights are missing, or there are only pickled ones.
    """
    files = [file for kind, place in found for file in _weights(kind, place)]
    each = [_sha256(file, book) for file in files]
    if len(files) == 1:
        return each[0]
    lines = "".join(
        f"{digest} {file.relative_to(folder).as_posix()}\n"
        for digest, file in zip(each, files, strict=True)
    )
    return hashlib.sha256(lines.encode()).hexdigest()


def dimension(found: Modules, config: dict[str, Any]) -> int:
    """Length of the embedding that comes out of the last module."""
    if dense := settings(found, "Dense"):
        return int(dense["out_features"])
    pooling = settings(found, "Pooling")
    width = pooling.get("embedding_dimension") or pooling.get("word_embedding_dimension")
    return int(width or config["hidden_size"]) * (pooling_mode(found).count("+") + 1)


def pooling_mode(found: Modules) -> str:
    """How token embeddings become one, from either form of the file; several joined by ``+``."""
    pooling = settings(found, "Pooling")
    mode = pooling.get("pooling_mode")
    if mode is None:
        flags = _POOLING_FLAGS.items()
        mode = [name for flag, name in flags if pooling.get(f"pooling_mode_{flag}")]
    return "+".join([mode] if isinstance(mode, str) else mode) or "mean"


def max_tokens(found: Modules, config: dict[str, Any]) -> int:
    """The longest input: what the model asks for, within the positions that it has."""
    place = found[0][1]
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in _OFFSET_POSITIONS:
        positions -= int(config.get("pad_token_id", 1)) + 1
    own = read_json(place / "sentence_bert_config.json", default={}).get("max_seq_length")
    if own is None:
        own = read_json(place / "tokenizer_config.json", default={}).get("model_max_length")
    return min(positions, int(own)) if own else positions


def prompts(folder: Path) -> tuple[str, str]:
    """What the model wants in front of queries and of documents."""
    own = read_json(folder / "config_sentence_transformers.json", default={})
    named = own.get("prompts") or {}
    usual = named.get(own.get("default_prompt_name")) or ""
    # The order in which sentence-transformers itself looks for one.
    kinds = ("document", "passage", "corpus")
    document = next((named[kind] for kind in kinds if named.get(kind)), usual)
    return str(named.get("query") or usual), str(document)


def settings(found: Modules, kind: str) -> dict[str, Any]:
    """The configuration of the last module of a kind; empty when there is none."""
    places = [place for name, place in found if name == kind]
    own: dict[str, Any] = read_json(places[-1] / "config.json") if places else {}
    return own


def read_json(path: Path, *, default: Any = None) -> Any:
    """The content of a JSON file.

    Raises:
        ModelMissingError: it cannot be read, or is missing and there is no default.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if default is not None:
            return default
        raise ModelMissingError(f"Not a sentence-transformers model: no {path}.") from error
    except (OSError, ValueError) as error:
        raise ModelMissingError(f"The model's {path} cannot be read: {error}.") from error


def _weights(kind: str, place: Path) -> list[Path]:
    index = place / "model.safetensors.index.json"
    if (place / "model.safetensors").is_file():
        return [place / "model.safetensors"]
    if index.is_file():
        return [place / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    if kind == "Transformer" or (place / "pytorch_model.bin").exists():
        raise ModelMissingError(
            f"No safetensors weights in {place}. Pickled weights (pytorch_model.bin) can run code "
            "when they are read, so ingestd refuses them."
        )
    return []


def _sha256(path: Path, book: Path | None) -> str:
    try:
        return digests.sha256(path, book)
    except OSError as error:
        raise ModelMissingError(f"The model's weights cannot be read: {error}.") from error
