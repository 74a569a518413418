"""Which files a model may consist of: nothing that could run, and nothing of absurd size.

What could run when it is read (pickles, code) has a whole model refused: who packed it did not
look. What is merely of no use to ingestd (other formats of the same weights, pictures) is left out.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from ingestd.errors import ModelRefusedError

from . import tensors

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

MOST_FILES = 1_000
MOST_BYTES = 16 * 1024**3
MOST_TEXT_BYTES = 128 * 1024**2
"""Of one file that is read whole: JSON and other text."""

_DEEPEST = 8
_LONGEST_NAME = 200
_WEIGHTS = ".safetensors"
_TEXTS = {".json", ".txt", ".md"}
_PAPERS = ("license", "licence", "notice", "copying", "readme")
_PICKLES = re.compile(r"\.(bin|ckpt|dill|joblib|np[yz]|p|pckl|pickle|pkl|pth?)", re.IGNORECASE)
_CODE = re.compile(
    r"\.(bat|cmd|dll|dylib|exe|ipynb|jar|js|lua|php|pl|ps1|py[a-z]?|rb|sh|so|wasm|whl)",
    re.IGNORECASE,
)
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
_VOCABULARIES = {"tokenizer.json", "vocab.json"}
"""Their keys are words."""
_SAFE_HINT = (
    "Pack the model again without it: a configuration in JSON, the tokenizer and weights as "
    "safetensors are enough. docs/models.md says how."
)


class Verdict(Enum):
    """What is done with a file."""

    TAKEN = "taken"
    """It is a part of the model."""
    LEFT_OUT = "left out"
    """It is harmless as long as nobody reads it, and nobody needs to."""


def judge(path: PurePosixPath, size: int) -> Verdict:
    """Decide on a file by its name and size.

    Raises:
        ModelRefusedError: such a file has the whole model refused.
    """
    _check_path(path)
    suffix = path.suffix.lower()
    if any(part.startswith(".") for part in path.parts):
        return Verdict.LEFT_OUT
    if _PICKLES.fullmatch(suffix):
        raise ModelRefusedError(f"{path} may be a pickle: reading it can run code", hint=_SAFE_HINT)
    if _CODE.fullmatch(suffix):
        raise ModelRefusedError(f"{path} is code, and ingestd runs no model's", hint=_SAFE_HINT)
    text = suffix in _TEXTS or path.name.lower().startswith(_PAPERS)
    if not text and suffix != _WEIGHTS:
        return Verdict.LEFT_OUT
    if size > (MOST_TEXT_BYTES if text else MOST_BYTES):
        raise ModelRefusedError(f"{path} has {size:,} bytes: no model needs that")
    return Verdict.TAKEN


def check_content(folder: Path, path: PurePosixPath) -> None:
    """See that a taken file is what its name says, and asks for no code.

    Raises:
        ModelRefusedError: it is not, or does.
        OSError: it cannot be read.
    """
    file = folder / path
    if path.suffix.lower() == _WEIGHTS:
        tensors.check(file)
        return
    data = file.read_bytes()
    if b"\0" in data or data.startswith(b"\x7fELF"):
        raise ModelRefusedError(f"{path} is not the text that its name says", hint=_SAFE_HINT)
    if path.suffix.lower() == ".json":
        _check_json(path, data)


def _check_path(path: PurePosixPath) -> None:
    """See that a path stays inside, wherever it comes from."""
    parts = path.parts
    odd = (
        path.is_absolute()
        or not parts
        or ".." in parts
        or len(parts) > _DEEPEST
        or any(len(part) > _LONGEST_NAME or not part.isprintable() for part in parts)
        or "\\" in str(path)
        or ":" in str(path)
    )
    if odd:
        raise ModelRefusedError(f"{str(path)!r} is no path of a file inside of a model")


def _check_json(path: PurePosixPath, data: bytes) -> None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"{path} is no JSON: {error}") from error
    if path.name not in _VOCABULARIES and (key := _key_of_code(content)):
        raise ModelRefusedError(
            f"{path} asks for code of the model's own ({key}); ingestd never runs it",
            hint="Choose a model that the libraries know, such as multilingual-e5-small.",
        )


def _key_of_code(content: Any) -> str:
    """The first key that has a library load code; parsing bounds how deep the content is."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for key in _CODE_KEYS:
                if one.get(key):
                    return key
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return ""
