"""A model with random weights that sentence-transformers can load, in a second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
_SETTINGS = {
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 50,
    "pad_token_id": 1,
    "initializer_range": 0.4,
}


def make_model(folder: Path, family: str = "bert") -> None:
    """Write the model into a folder, with a tokenizer of single characters (unigram, as XLM-R)."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CONFIG_MAPPING, AutoModel

    torch.manual_seed(1)
    AutoModel.from_config(CONFIG_MAPPING[family](**_SETTINGS)).save_pretrained(folder)
    letters = [*"\u2581abcdefghijklmnopqrstuvwxyz:.,?", "the", "query", "passage"]
    pieces = [(piece, -float(len(letters))) for piece in (*_SPECIAL, *letters)]
    tokenizer = Tokenizer(models.Unigram(pieces, _SPECIAL.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"}
    _write(
        folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | special
    )
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder, "modules.json", modules)
    mode = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    _write(folder, "1_Pooling/config.json", mode)
    _write(folder, "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})


def _write(folder: Path, name: str, content: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), "utf-8")
