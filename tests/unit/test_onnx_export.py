"""Making the ONNX file: which models have one, that it is right, and that damage is noticed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from ingestd.embed.engines import export, exporting, open_embedder
from ingestd.embed.engines.batches import SINGLE
from ingestd.embed.engines.export import ExportError, exported, folder_of, is_sound, unsupported
from ingestd.embed.engines.onnx import OnnxEmbedder
from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.embed.model import ModelSpec, locate
from ingestd.errors import ModelMissingError

_SPECIAL = ["<s>", "<pad>", "</s>", "[UNK]"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TEXTS = ["", "a", "the quick brown fox", "jumps over the lazy dog " * 30, "ÄÖ unknown 한글"]


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  # not a password
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=ends
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "[UNK]"}
    _write(
        folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | special
    )


def _model(folder: Path, family: str = "bert", pooling: str = "mean", **changes: Any) -> ModelSpec:
    """Make a small model with random weights that sentence-transformers can load."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModel

    settings = {
        "vocab_size": 200,  # large enough for a table beside the graph
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 50,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "initializer_range": 0.4,
    }
    torch.manual_seed(1)
    model = AutoModel.from_config(CONFIG_MAPPING[family](**(settings | changes)))
    model.save_pretrained(folder)
    _tokenizer(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    mode = {"word_embedding_dimension": 32, f"pooling_mode_{pooling}": True}
    _write(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": False} | mode)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    return locate(str(folder))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """A small BERT."""
    return _model(tmp_path_factory.mktemp("small"), pooling="mean_tokens")


@pytest.fixture(scope="module")
def cache(small: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory that holds the small model's export."""
    folder = tmp_path_factory.mktemp("cache")
    exported(small, folder)
    return folder


@pytest.fixture
def own_cache(cache: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(cache, tmp_path / "cache"))


def _agreement(spec: ModelSpec, graph: Path) -> float:
    ours, theirs = OnnxEmbedder(spec, graph), TorchEmbedder(spec, device="cpu")
    worst = np.abs(ours.embed(_TEXTS) - theirs.embed(_TEXTS)).max()
    ours.close()
    theirs.close()
    return float(worst)


@pytest.mark.parametrize(
    ("family", "pooling", "changes"),
    [
        ("bert", "mean_tokens", {}),
        ("bert", "cls_token", {"hidden_act": "gelu_new", "type_vocab_size": 2}),
        ("xlm-roberta", "mean_tokens", {"layer_norm_eps": 1e-5}),
        ("roberta", "cls_token", {}),
    ],
)
def test_graphs_equal_sentence_transformers(
    tmp_path: Path, family: str, pooling: str, changes: dict[str, Any]
) -> None:
    """The graph of each family, pooling and activation gives sentence-transformers' numbers."""
    spec = _model(tmp_path, family, pooling, **changes)
    assert unsupported(spec) is None
    exporting.write_graph(spec, tmp_path / "model.onnx")  # without the slow child
    assert _agreement(spec, tmp_path / "model.onnx") < 1e-4


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    """A model stored in bfloat16 is run in fp32 by both engines."""
    from safetensors.torch import load_file, save_file

    spec = _model(tmp_path, pooling="mean_tokens")
    weights = load_file(tmp_path / "model.safetensors")
    halves = {name: tensor.bfloat16() for name, tensor in weights.items()}
    save_file(halves, tmp_path / "model.safetensors", metadata={"format": "pt"})
    exporting.write_graph(spec, tmp_path / "model.onnx")  # without the slow child
    assert _agreement(spec, tmp_path / "model.onnx") < 1e-4


class Watched:
    """A session that notes the shape of each run, and whether it gives memory back."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.runs: list[tuple[tuple[int, ...], bool]] = []

    def run(self, names: list[str], feed: dict[str, Any], options: Any = None) -> Any:
        """Run, and then note it."""
        rows = self._session.run(names, feed, options)
        self.runs.append((feed["input_ids"].shape, options is not None))
        return rows


def test_memory_is_given_back_when_all_is_done(small: ModelSpec, cache: Path) -> None:
    """By a run of one token after the last batch has ended; not while others still run."""
    ours = OnnxEmbedder(small, exported(small, cache), threads=2)
    ours._session = watched = Watched(ours._session)  # noqa: SLF001  # the library's own
    ours.embed(_TEXTS * 4)
    ours.embed([])
    ours.embed_query("a query")
    ours.close()
    giving = [at for at, (_, gives) in enumerate(watched.runs) if gives]
    assert [watched.runs[at][0] for at in giving] == [(1, 1)]
    assert giving == [len(watched.runs) - 2]


def test_an_export_is_made_once(small: ModelSpec, cache: Path) -> None:
    """The first use makes the file and notes how right it is; the second only finds it."""
    graph = exported(small, cache)
    note = json.loads((graph.parent / "export.json").read_text())
    assert note["worst_cosine"] >= 0.9999
    assert sorted(path.name for path in graph.parent.iterdir()) == [
        "export.json",
        "lock",
        "model.onnx",
        "weights.bin",
    ]
    before = graph.stat()
    with capture_logs() as logs:
        assert exported(small, cache) == graph
    assert graph.stat().st_mtime_ns == before.st_mtime_ns
    assert logs == []


def test_a_sound_export_is_used_from_a_read_only_cache(
    small: ModelSpec, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding the file takes no lock and writes nothing, so that the cache may be read-only."""
    monkeypatch.setattr(export, "_locked", None)
    assert exported(small, cache).exists()


@pytest.mark.parametrize("name", ["model.onnx", "weights.bin"])
def test_damage_is_noticed(small: ModelSpec, own_cache: Path, name: str) -> None:
    """A flipped bit in the graph or in its weights is noticed by the digest."""
    folder = folder_of(small, own_cache)
    assert is_sound(folder, small)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert not is_sound(folder, small)


@pytest.mark.slow
def test_a_damaged_export_is_made_again(small: ModelSpec, own_cache: Path) -> None:
    """It is replaced; what killed processes and earlier versions left goes with it."""
    graph = exported(small, own_cache)
    graph.write_bytes(b"")
    (graph.parent / "new-left").mkdir()
    older = graph.parent.with_name(graph.parent.name.replace("-v2", "-v1"))
    older.mkdir()
    with capture_logs() as logs:
        exported(small, own_cache)
    assert is_sound(graph.parent, small)
    assert not (graph.parent / "new-left").exists()
    assert not older.exists()
    assert [entry["event"] for entry in logs] == ["model_export", "model_exported"]


@pytest.mark.parametrize("note", ["", "{}", "[]", "null", '{"weights_sha256": "x"}'])
def test_a_damaged_note_does_not_vouch(small: ModelSpec, own_cache: Path, note: str) -> None:
    """A note that is torn or of another shape counts as none."""
    folder = exported(small, own_cache).parent
    (folder / "export.json").write_text(note)
    assert not is_sound(folder, small)


def test_an_export_of_other_weights_does_not_count(small: ModelSpec, cache: Path) -> None:
    """A note for other weights does not vouch for these."""
    folder = exported(small, cache).parent
    assert not is_sound(folder, replace(small, weights_sha256="0" * 64))


@pytest.mark.slow
def test_two_at_once_make_one(small: ModelSpec, tmp_path: Path) -> None:
    """Who comes second waits for the first and uses its file."""
    with capture_logs() as logs:
        threads = [threading.Thread(target=exported, args=(small, tmp_path)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [entry["event"] for entry in logs] == ["model_export", "model_exported"]


_EXPORT = (
    "import sys\n"
    "from pathlib import Path\n"
    "from ingestd.embed.engines.export import exported\n"
    "from ingestd.embed.model import locate\n"
    "exported(locate(sys.argv[1]), Path(sys.argv[2]))\n"
)


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_nothing_broken(small: ModelSpec, tmp_path: Path) -> None:
    """Killed while the child works, the export is made whole by the next process, at once."""
    command = [sys.executable, "-c", _EXPORT, str(small.path), str(tmp_path)]
    first = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    folder = folder_of(small, tmp_path)
    deadline = time.monotonic() + 240
    while not list(folder.glob("new-*/model.onnx")):
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not is_sound(folder, small)
    assert exported(small, tmp_path) == folder / "model.onnx"
    assert is_sound(folder, small)
    assert not list(folder.glob("new-*"))


def test_int8_is_an_export_of_its_own(small: ModelSpec, tmp_path: Path) -> None:
    """Products in 8 bits lose little; a text alone gives what it gives among others."""
    int8 = replace(small, precision="int8")
    assert folder_of(int8, tmp_path) != folder_of(small, tmp_path)
    assert folder_of(replace(small, precision="bf16"), tmp_path) == folder_of(small, tmp_path)
    exporting.write_graph(int8, tmp_path / "model.onnx")
    ours = OnnxEmbedder(int8, tmp_path / "model.onnx", batch=SINGLE)
    rows = ours.embed(_TEXTS)
    alone = np.concatenate([ours.embed([text]) for text in _TEXTS])
    ours.close()
    assert np.array_equal(rows, alone)
    exporting.write_graph(small, tmp_path / "model.onnx")
    exact = OnnxEmbedder(small, tmp_path / "model.onnx")
    cosines = (rows * exact.embed(_TEXTS)).sum(axis=1)
    exact.close()
    assert 0.98 < cosines.min() < 0.9999999


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_type": "mpnet"}, "architecture mpnet"),
        ({"hidden_act": "silu"}, "activation silu"),
        ({"position_embedding_type": "relative_key"}, "relative positions"),
        ({"is_decoder": True}, "decoder"),
    ],
)
def test_other_architectures_have_no_export(
    small: ModelSpec, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    """What the graph cannot express is said before anything slow is started."""
    folder = Path(shutil.copytree(small.path, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    _write(folder / "config.json", config | change)
    with pytest.raises(ExportError, match=reason):
        exported(locate(str(folder)), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_other_poolings_have_no_export(tmp_path: Path) -> None:
    """Pooling that is neither mean nor cls is left to sentence-transformers."""
    assert unsupported(_model(tmp_path, pooling="max_tokens")) == "no export for pooling max"


@pytest.fixture
def without_export(tmp_path: Path) -> ModelSpec:
    """A model that only sentence-transformers can run."""
    return _model(tmp_path / "model", pooling="max_tokens")


def test_auto_falls_back_to_torch_and_says_why(without_export: ModelSpec, tmp_path: Path) -> None:
    """A model without an export is run by torch, with one warning that names the reason."""
    with capture_logs() as logs:
        embedder = open_embedder(without_export, cache_dir=tmp_path / "cache")
    assert isinstance(embedder.inner, TorchEmbedder)
    assert np.allclose(np.linalg.norm(embedder.embed(_TEXTS), axis=1), 1, atol=1e-5)
    embedder.close()
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("engine_fallback", "no export for pooling max")
    ]


def test_onnx_asked_for_does_not_fall_back(without_export: ModelSpec, tmp_path: Path) -> None:
    """Who asks for ONNX Runtime gets it or an error."""
    with pytest.raises(ModelMissingError, match="pooling max"):
        open_embedder(without_export, cache_dir=tmp_path / "cache", engine="onnx")


def test_a_cache_that_cannot_be_written_falls_back(small: ModelSpec, tmp_path: Path) -> None:
    """No place for the export is no reason not to embed."""
    (tmp_path / "cache").write_text("a file, not a folder")
    with capture_logs() as logs:
        embedder = open_embedder(small, cache_dir=tmp_path / "cache")
    assert isinstance(embedder.inner, TorchEmbedder)
    embedder.close()
    assert logs[-1]["event"] == "engine_fallback"


@pytest.mark.slow
def test_a_wrong_result_is_refused(small: ModelSpec, tmp_path: Path) -> None:
    """A graph that differs from sentence-transformers is not used."""
    pooling = replace(small, pooling="cls")  # not what the model itself does
    with pytest.raises(ExportError, match="differs from sentence-transformers"):
        exported(pooling, tmp_path)
    assert not list(tmp_path.rglob("model.onnx"))


@pytest.mark.slow
def test_a_module_in_the_working_directory_is_not_run(small: ModelSpec, tmp_path: Path) -> None:
    """The child imports nothing from the folder that the daemon was started in."""
    (tmp_path / "torch.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from ingestd.embed.engines.export import exported\n"
        "from ingestd.embed.model import locate\n"
        "print(exported(locate(sys.argv[2]), Path(sys.argv[3])))\n"
    )
    root = Path(__file__).parents[2]
    arguments = [str(root), str(small.path), str(tmp_path / "cache")]
    command = [sys.executable, "-P", "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
