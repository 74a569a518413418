"""Writing the tokenizer of an XLM-R vocabulary as ``tokenizer.json``.

It cuts at white space and then into the likeliest pieces (unigram model; Kudo, "Subword
regularization", 2018), after the text was brought into the form NFKC and some characters were
dropped or made a space.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from .packed import Vocabulary

_SPACE = "\u2581"
"""What stands for a space inside of pieces."""
_WIDE_TILDE, _STANDS_FOR_IT = "\uff5e", "\ue1de"
"""NFKC would make it an ASCII tilde; the vocabulary keeps it."""


def write(vocabulary: Vocabulary, folder: Path, positions: int) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` into a folder.

    Args:
        vocabulary: with its special tokens named as in XLM-R.
        folder: is there.
        positions: the longest input.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: PLC0415 - slow

    tokenizer = Tokenizer(models.Unigram(vocabulary.pieces, vocabulary.unknown))
    tokenizer.normalizer = _normalizer(vocabulary.changes)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, prepend_scheme="always")
    named = {
        "bos_token": vocabulary.pieces[vocabulary.begin][0],
        "eos_token": vocabulary.pieces[vocabulary.end][0],
        "pad_token": vocabulary.pieces[vocabulary.padding][0],
        "unk_token": vocabulary.pieces[vocabulary.unknown][0],
    }
    begin, end = named["bos_token"], named["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, vocabulary.begin), (end, vocabulary.end)],
    )
    tokenizer.add_special_tokens([*named.values()])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **named,
        "cls_token": begin,
        "sep_token": end,
        "model_max_length": positions,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), "utf-8")


def _normalizer(changes: dict[str, str]) -> Any:
    from tokenizers import Regex, normalizers  # noqa: PLC0415 - as above

    own = {
        char: becomes
        for char, becomes in changes.items()
        if unicodedata.normalize("NFKC", char) != becomes
    }
    steps: list[Any] = []
    for becomes in ("", " "):
        chars = [f"\\x{{{ord(char):x}}}" for char, other in own.items() if other == becomes]
        if chars:
            steps.append(normalizers.Replace(Regex(f"[{''.join(chars)}]"), becomes))
    steps += [
        normalizers.Replace(char, becomes) for char, becomes in own.items() if len(becomes.strip())
    ]
    kept = _WIDE_TILDE not in changes
    if kept:
        steps.append(normalizers.Replace(_WIDE_TILDE, _STANDS_FOR_IT))
    steps.append(normalizers.NFKC())
    if kept:
        steps.append(normalizers.Replace(_STANDS_FOR_IT, _WIDE_TILDE))
    steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    return normalizers.Sequence(steps)
