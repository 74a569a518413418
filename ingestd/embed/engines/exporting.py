"""The child that makes an export: it writes the graph, and compares it with sentence-transformers.

``python -m ingestd.embed.engines.exporting PARENT MODEL FOLDER``: the process that it ends with,
the model as JSON, and where to write.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.embed import model_folder
from ingestd.embed.engines import bert, ort
from ingestd.embed.engines.export import FORMAT, GRAPH, NOTE, digest_of
from ingestd.embed.engines.graph import WEIGHTS
from ingestd.embed.engines.samples import CHECK_TEXTS
from ingestd.embed.model import ModelSpec
from ingestd.embed.reading.limits import end_with_parent
from ingestd.engine_options import space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_COSINE = {"fp32": 0.9999, "int8": 0.9}
"""A loss is expected of int8; below this one, the model is broken by it."""


def export(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Write graph and weights, and measure how far they are from sentence-transformers."""
    onnxruntime = ort.runtime()
    import sentence_transformers  # noqa: PLC0415  # slow
    import torch  # noqa: PLC0415  # the same

    started = time.monotonic()
    write_graph(spec, folder / GRAPH)
    least, mean = _cosines(spec, folder / GRAPH)
    return {
        "format": FORMAT,
        "weights_sha256": spec.weights_sha256,
        "files": {name: digest_of(folder / name) for name in (GRAPH, WEIGHTS)},
        "worst_cosine": least,
        "mean_cosine": mean,
        "seconds": round(time.monotonic() - started, 2),
        "torch": torch.__version__,
        "sentence_transformers": sentence_transformers.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def write_graph(spec: ModelSpec, target: Path) -> None:
    """Write the graph of a model, and its weights beside it."""
    from safetensors.torch import load_file  # noqa: PLC0415  # numpy's lacks bfloat16

    weights: dict[str, NDArray[np.float32]] = {}
    for file in sorted(spec.transformer.glob("*.safetensors")):
        tensors = load_file(file)
        weights.update((name, tensor.float().numpy()) for name, tensor in tensors.items())
    config = model_folder.read_json(spec.transformer / "config.json")
    int8 = space(spec.precision) == "int8"
    bert.bert_graph(config, weights, spec.pooling, int8=int8).write(target)


def _cosines(spec: ModelSpec, graph: Path) -> tuple[float, float]:
    """The least and the mean cosine of documents and queries to those of the reference."""
    import numpy as np  # noqa: PLC0415  # after the arguments are read

    from ingestd.embed.engines.onnx import OnnxEmbedder  # noqa: PLC0415  # the same
    from ingestd.embed.engines.torch import TorchEmbedder  # noqa: PLC0415  # the same

    ours = OnnxEmbedder(spec, graph)
    theirs = TorchEmbedder(replace(spec, precision="fp32"), device="cpu")
    cosines = (ours.embed(CHECK_TEXTS) * theirs.embed(CHECK_TEXTS)).sum(axis=1).tolist()
    cosines += [ours.embed_query(query) @ theirs.embed_query(query) for query in CHECK_TEXTS[:4]]
    return float(np.min(cosines)), float(np.mean(cosines))


def main(arguments: list[str]) -> int:
    """Export, and write the note only when the result is right."""
    end_with_parent(int(arguments[0]))
    fields, folder = json.loads(arguments[1]), Path(arguments[2])
    spec = ModelSpec(**(fields | {"path": Path(fields["path"])}))
    note = export(spec, folder)
    if not note["worst_cosine"] >= LEAST_COSINE[space(spec.precision)]:  # NaN fails, too
        sys.stderr.write(f"differs from sentence-transformers: cosine {note['worst_cosine']}\n")
        return 1
    (folder / NOTE).write_text(json.dumps(note, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
