"""BERT's forward pass, written as an ONNX graph over the stored weights.

The exporters of torch need further packages, and the implementation in transformers does not
trace right; the pass itself is short. Architecture: Devlin et al., "BERT", 2018. RoBERTa differs
only in where its positions start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ingestd.embed.engines.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Weights = Mapping[str, Array]

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")
POOLING = ("mean", "cls")
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}

_FLOAT32 = 1
_PADDED = -1e4  # added to the score of padding: its share of the softmax is zero in fp32


def bert_graph(
    config: dict[str, Any], weights: Weights, pooling: str, *, int8: bool = False
) -> Graph:
    """Build the graph from ``input_ids`` and ``attention_mask`` to ``embedding``.

    The inputs have the shape (batch, tokens), int64; the output (batch, width), float32, not yet
    of length 1.

    Args:
        config: the transformer's ``config.json``.
        weights: by their names in the stored model.
        pooling: one of `POOLING`.
        int8: whether the products with weights are computed in 8 bits.

    Raises:
        KeyError: a weight is missing.
    """
    bert = _Bert(config, weights, int8=int8)
    graph = bert.graph
    ids = graph.input("input_ids", "int64", ["batch", "tokens"])
    mask = graph.input("attention_mask", "int64", ["batch", "tokens"])
    mask = graph.add("Cast", mask, to=_FLOAT32)
    padding = graph.add("Sub", graph.scalar(1.0), mask)
    padding = graph.add("Mul", padding, graph.scalar(_PADDED))
    padding = graph.add("Unsqueeze", padding, graph.numbers(1, 2))
    states = bert.embed(ids)
    for number in range(config["num_hidden_layers"]):
        states = bert.layer(f"encoder.layer.{number}", states, padding)
    _pool(graph, states, mask, pooling)
    graph.output("embedding", "float32", ["batch", config["hidden_size"]])
    return graph


class _Bert:
    """Adds parts of the model to a graph. Unless it says so, a value is (batch, tokens, width)."""

    def __init__(self, config: dict[str, Any], weights: Weights, *, int8: bool) -> None:
        self.graph = Graph("bert")
        self._int8 = int8
        self.config = config
        self.heads: int = config["num_attention_heads"]
        self.head_width: int = config["hidden_size"] // self.heads
        # A model stored with a head on top has its own name in front of each weight.
        self.weights = {
            name.removeprefix("bert.").removeprefix("roberta."): array
            for name, array in weights.items()
        }

    def embed(self, ids: str) -> str:
        """Look up tokens and positions; the kind of text is always the first."""
        table = self.weights["embeddings.position_embeddings.weight"][self._first_position() :]
        table = table + self.weights["embeddings.token_type_embeddings.weight"][0]
        graph = self.graph
        words = graph.constant(self.weights["embeddings.word_embeddings.weight"])
        words = graph.add("Gather", words, ids)
        tokens = graph.add("Shape", ids, start=1, end=2)
        zero = graph.numbers(0)
        places = graph.add("Slice", graph.constant(table), zero, tokens, zero)
        return self._norm("embeddings.LayerNorm", graph.add("Add", words, places))

    def layer(self, name: str, states: str, padding: str) -> str:
        """Attention, then the feed-forward part, each added to what came in."""
        graph = self.graph
        mixed = self._linear(f"{name}.attention.output.dense", self._attend(name, states, padding))
        mixed = graph.add("Add", mixed, states)
        states = self._norm(f"{name}.attention.output.LayerNorm", mixed)
        inner = self._linear(f"{name}.intermediate.dense", states)
        inner = graph.add("Gelu", inner, approximate=ACTIVATIONS[self.config["hidden_act"]])
        out = graph.add("Add", self._linear(f"{name}.output.dense", inner), states)
        return self._norm(f"{name}.output.LayerNorm", out)

    def _attend(self, name: str, states: str, padding: str) -> str:
        graph = self.graph
        own = f"{name}.attention.self"
        query = self._heads(f"{own}.query", states, [0, 2, 1, 3])
        key = self._heads(f"{own}.key", states, [0, 2, 3, 1])
        value = self._heads(f"{own}.value", states, [0, 2, 1, 3])
        scores = graph.add("MatMul", query, key)
        scores = graph.add("Mul", scores, graph.scalar(1 / math.sqrt(self.head_width)))
        shares = graph.add("Softmax", graph.add("Add", scores, padding), axis=-1)
        context = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
        return graph.add("Reshape", context, graph.numbers(0, 0, self.heads * self.head_width))

    def _heads(self, name: str, states: str, order: list[int]) -> str:
        """Project, then bring (batch, tokens, heads, head width) into an order."""
        shape = self.graph.numbers(0, 0, self.heads, self.head_width)
        split = self.graph.add("Reshape", self._linear(name, states), shape)
        return self.graph.add("Transpose", split, perm=order)

    def _linear(self, name: str, states: str) -> str:
        weight = self.weights[f"{name}.weight"].T
        bias = self.graph.constant(self.weights[f"{name}.bias"])
        product = (
            _product_int8(self.graph, states, weight)
            if self._int8
            else self.graph.add("MatMul", states, self.graph.constant(weight))
        )
        return self.graph.add("Add", product, bias)

    def _norm(self, name: str, states: str) -> str:
        scale = self.graph.constant(self.weights[f"{name}.weight"])
        bias = self.graph.constant(self.weights[f"{name}.bias"])
        epsilon = float(self.config["layer_norm_eps"])
        return self.graph.add("LayerNormalization", states, scale, bias, axis=-1, epsilon=epsilon)

    def _first_position(self) -> int:
        if self.config["model_type"] == "bert":
            return 0
        return int(self.config["pad_token_id"]) + 1


def _product_int8(graph: Graph, states: str, weight: Array) -> str:
    """Multiply with weights in 8 bits: one scale for each column, and one for all states at once.

    ONNX Runtime knows this pattern and computes it in one step.
    """
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-12).astype(np.float32) / np.float32(127)
    rounded = graph.constant(np.rint(weight / scales).astype(np.int8))
    states, scale, zero = graph.add_many("DynamicQuantizeLinear", states, outputs=3)
    product = graph.add("MatMulInteger", states, rounded, zero)
    product = graph.add("Cast", product, to=_FLOAT32)
    return graph.add("Mul", product, graph.add("Mul", scale, graph.constant(scales)))


def _pool(graph: Graph, states: str, mask: str, pooling: str) -> None:
    if pooling == "cls":
        graph.add("Gather", states, graph.constant(np.array(0)), axis=1, result="embedding")
        return
    weights = graph.add("Unsqueeze", mask, graph.numbers(2))
    tokens = graph.numbers(1)
    total = graph.add("ReduceSum", graph.add("Mul", states, weights), tokens, keepdims=0)
    count = graph.add("ReduceSum", weights, tokens, keepdims=0)
    graph.add("Div", total, graph.add("Max", count, graph.scalar(1e-9)), result="embedding")
