"""What every embedder promises, run over the test model, ONNX Runtime and torch."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from ingestd.embed.engines import open_embedder
from ingestd.embed.engines.onnx import OnnxEmbedder
from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.engines.halving import HalvingEmbedder
    from ingestd.ports import Embedder

_ENGLISH = "The daemon watches folders and embeds what changed."
_KOREAN = "데몬은 폴더를 지켜보고 바뀐 것을 임베딩합니다."
_TEXTS = [
    _ENGLISH,
    _KOREAN,
    "",
    "x",
    _ENGLISH * 40,
    _KOREAN * 40,
    "def f(x):\n\treturn x",
    "🙂 emoji",
    "broken \ud800 text",
    *(f"text number {number} " * (number % 9 + 1) for number in range(30)),
]


@pytest.fixture(scope="session")
def export_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory of the whole run: the export is made once."""
    return tmp_path_factory.mktemp("cache")


def _open(kind: str, export_dir: Path) -> HalvingEmbedder:
    if kind == "hash":
        return open_embedder(locate("hash"), cache_dir=export_dir)
    engine: Literal["onnx", "torch"] = "onnx" if kind == "onnx" else "torch"
    return open_embedder(locate(""), cache_dir=export_dir, engine=engine, threads=2)


@pytest.fixture(
    scope="module",
    params=[
        "hash",
        pytest.param("onnx", marks=pytest.mark.model),
        pytest.param("torch", marks=pytest.mark.model),
    ],
)
def embedder(request: pytest.FixtureRequest, export_dir: Path) -> Iterator[Embedder]:
    """Each of the embedders."""
    opened = _open(request.param, export_dir)
    yield opened
    opened.close()


def test_shape_type_and_length(embedder: Embedder) -> None:
    """Rows are float32, of the promised dimension, finite and of length 1, the empty text's too."""
    rows = embedder.embed(_TEXTS)
    assert rows.shape == (len(_TEXTS), embedder.dimension)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_texts(embedder: Embedder) -> None:
    """No texts give an empty array of the right width."""
    rows = embedder.embed([])
    assert rows.shape == (0, embedder.dimension)
    assert rows.dtype == np.float32


def test_the_order_is_kept(embedder: Embedder) -> None:
    """Each row belongs to the text in its place, although batches are formed by length."""
    together = embedder.embed(_TEXTS)
    alone = np.stack([embedder.embed([text])[0] for text in _TEXTS])
    assert np.allclose(together, alone, atol=1e-5)


def test_it_is_deterministic(embedder: Embedder) -> None:
    """The same call gives the same bits."""
    assert np.array_equal(embedder.embed(_TEXTS), embedder.embed(_TEXTS))


def test_rows_outlive_later_calls(embedder: Embedder) -> None:
    """What was returned is the caller's: a later call does not write into it."""
    first = embedder.embed([_ENGLISH])
    kept = first.copy()
    embedder.embed([_KOREAN])
    assert np.array_equal(first, kept)
    first[:] = 0


def test_near_texts_are_near(embedder: Embedder) -> None:
    """A text is nearer to its variation than to another text, in English and in Korean."""
    for text, near, far in (
        (_ENGLISH, "The daemon watches folders and embeds the changes.", "Bake bread at 200 C."),
        (_KOREAN, "데몬은 폴더를 지켜보고 바뀐 파일을 임베딩합니다.", "오늘 서울은 맑고 춥습니다."),
    ):
        rows = embedder.embed([text, near, far])
        assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_a_query_finds_its_document(embedder: Embedder) -> None:
    """A query is one row of the same space."""
    row = embedder.embed_query(_ENGLISH)
    assert row.shape == (embedder.dimension,)
    assert row.dtype == np.float32
    assert int((embedder.embed(_TEXTS) @ row).argmax()) == 0


def test_a_huge_text_is_cut(embedder: Embedder) -> None:
    """A text far beyond the longest input is embedded by its beginning, without an error."""
    rows = embedder.embed(["word " * 200_000, "word " * 4_000])
    assert np.allclose(rows[0], rows[1], atol=1e-5)


def test_threads_may_share_it(embedder: Embedder) -> None:
    """Calls from several threads do not mix up their rows."""
    expected = embedder.embed(_TEXTS)
    with ThreadPoolExecutor(4) as executor:
        for rows in executor.map(lambda _: embedder.embed(_TEXTS), range(4)):
            assert np.allclose(rows, expected, atol=1e-5)


@pytest.mark.model
def test_onnx_agrees_with_torch(export_dir: Path) -> None:
    """Both engines make the same embeddings, so either may serve the same collection."""
    ours, theirs = _open("onnx", export_dir), _open("torch", export_dir)
    assert isinstance(ours.inner, OnnxEmbedder)
    assert isinstance(theirs.inner, TorchEmbedder)
    assert (ours.embed(_TEXTS) * theirs.embed(_TEXTS)).sum(axis=1).min() >= 0.9999
    assert ours.embed_query(_KOREAN) @ theirs.embed_query(_KOREAN) >= 0.9999
    ours.close()
    theirs.close()


@pytest.mark.model
def test_prefixes_are_applied_alike(export_dir: Path) -> None:
    """Queries and documents get their own prefix, in both engines the same."""
    spec = locate("", query_prefix="query: ", document_prefix="passage: ")
    plain = _open("onnx", export_dir)
    expected = plain.embed([f"passage: {_ENGLISH}", f"query: {_ENGLISH}"])
    plain.close()
    for engine in ("onnx", "torch"):
        embedder = open_embedder(spec, cache_dir=export_dir, engine=engine)
        got = np.stack([embedder.embed([_ENGLISH])[0], embedder.embed_query(_ENGLISH)])
        embedder.close()
        assert np.allclose(got, expected, atol=1e-5)


@pytest.mark.model
def test_embedding_does_not_load_torch(export_dir: Path) -> None:
    """Once the export is there, a process embeds without torch and its 400 MB."""
    _open("onnx", export_dir).close()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ingestd.embed.model import locate\n"
        "from ingestd.embed.engines import open_embedder\n"
        "embedder = open_embedder(locate(''), cache_dir=Path(sys.argv[1]))\n"
        "embedder.embed(['text'])\n"
        "embedder.embed_query('text')\n"
        "embedder.close()\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers'}\n"
        "sys.exit(bool(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, str(export_dir)]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, cwd=root, check=False, timeout=120).returncode == 0
