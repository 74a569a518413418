"""What every embedder promises, run over the test model and every engine and precision."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestd.embed.engines import open_embedder
from ingestd.embed.engines.cores import has_bf16
from ingestd.embed.engines.export import exported
from ingestd.embed.engines.measured import REFERENCE
from ingestd.embed.engines.measuring import measure
from ingestd.embed.engines.torch import TorchEmbedder
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.embed.engines.halving import HalvingEmbedder
    from ingestd.ports import Embedder, Vectors

_OPENVINO = importlib.util.find_spec("openvino") is not None
_MISSING = {
    "openvino": (not _OPENVINO, "needs the extra ingestd[openvino]"),
    "bf16": (not has_bf16(), "this processor does not compute in bfloat16"),
}
KINDS = ("onnx-fp32", "onnx-int8", "openvino-fp32", "openvino-bf16", "torch-fp32", "torch-bf16")
LOSS = {"fp32": 0.99999, "bf16": 0.9999, "int8": 0.95}
"""The least cosine to sentence-transformers, by precision."""
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


def _param(kind: str) -> Any:
    """An engine and precision, left out with a reason where this machine lacks something."""
    marks = [
        pytest.mark.skipif(missing, reason=reason)
        for part, (missing, reason) in _MISSING.items()
        if part in kind
    ]
    return pytest.param(kind, marks=[pytest.mark.model, *marks])


def _open(kind: str, export_dir: Path) -> HalvingEmbedder:
    if kind == "hash":
        return open_embedder(locate("hash"), cache_dir=export_dir)
    engine: Any
    precision: Any
    engine, _, precision = kind.partition("-")
    spec = replace(locate(""), precision=precision)
    return open_embedder(spec, cache_dir=export_dir, engine=engine, device="cpu", threads=2)


@pytest.fixture(scope="module", params=["hash", *map(_param, KINDS)])
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the embedders, by name."""
    return str(request.param)


@pytest.fixture(scope="module")
def embedder(kind: str, export_dir: Path) -> Iterator[Embedder]:
    """Each of the embedders."""
    opened = _open(kind, export_dir)
    yield opened
    opened.close()


def _same(kind: str, rows: Vectors, others: Vectors) -> bool:
    """Whether rows are equal: in bf16 what a text is padded to shows in the last bits."""
    if "bf16" in kind:
        return bool((rows * others).sum(axis=-1).min() >= 0.9999)
    return np.allclose(rows, others, atol=1e-5)


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


def test_what_else_is_embedded_changes_nothing(kind: str, embedder: Embedder) -> None:
    """Each row belongs to the text in its place, and is what the text alone gives."""
    together = embedder.embed(_TEXTS)
    alone = np.stack([embedder.embed([text])[0] for text in _TEXTS])
    assert _same(kind, together, alone)
    assert _same(kind, embedder.embed(_TEXTS[::-1])[::-1], alone)


def test_tokens_are_counted(kind: str, embedder: Embedder) -> None:
    """What goes through as documents is counted, without padding, and a query is not."""
    counts = []
    for texts in ([_ENGLISH], [_KOREAN, _ENGLISH], []):
        before = embedder.tokens
        embedder.embed(texts)
        counts.append(embedder.tokens - before)
    embedder.embed_query(_ENGLISH)
    assert embedder.tokens - before == 0
    assert counts[2] == 0
    assert counts[1] > counts[0]
    if kind != "hash":  # each of the engines sees the same, with its two special tokens
        assert counts[0] == 14


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


def test_a_huge_text_is_cut(kind: str, embedder: Embedder) -> None:
    """A text far beyond the longest input is embedded by its beginning, without an error."""
    rows = embedder.embed(["word " * 200_000, "word " * 4_000])
    assert _same(kind, rows[0], rows[1])


def test_threads_may_share_it(kind: str, embedder: Embedder) -> None:
    """Calls from several threads do not mix up their rows."""
    expected = embedder.embed(_TEXTS)
    with ThreadPoolExecutor(4) as executor:
        for rows in executor.map(lambda _: embedder.embed(_TEXTS), range(4)):
            assert _same(kind, rows, expected)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no proc file system")
def test_callers_leave_no_threads(embedder: Embedder) -> None:
    """Whoever calls, the model runs in the same few threads: what they keep does not add up."""

    def call() -> None:
        thread = threading.Thread(target=embedder.embed, args=(_TEXTS[:6],))
        thread.start()
        thread.join()

    call()
    before = len(list(Path("/proc/self/task").iterdir()))
    for _ in range(12):
        call()
    # One for each caller would be twelve; the kernel takes a moment to forget those that ended.
    assert len(list(Path("/proc/self/task").iterdir())) < before + 6


@pytest.fixture(scope="module")
def reference(export_dir: Path) -> Vectors:
    """What sentence-transformers gives, documents and then a query."""
    theirs = _open("torch-fp32", export_dir)
    assert isinstance(theirs.inner, TorchEmbedder)
    rows = np.concatenate([theirs.embed(_TEXTS), theirs.embed_query(_KOREAN)[None]])
    theirs.close()
    return rows


@pytest.mark.parametrize("one", [*map(_param, KINDS)])
def test_it_agrees_with_sentence_transformers(
    one: str, export_dir: Path, reference: Vectors
) -> None:
    """Any engine may serve the same collection in fp32 and bf16; the loss of int8 is bounded."""
    ours = _open(one, export_dir)
    rows = np.concatenate([ours.embed(_TEXTS), ours.embed_query(_KOREAN)[None]])
    ours.close()
    assert (rows * reference).sum(axis=1).min() >= LOSS[one.partition("-")[2]]


@pytest.mark.parametrize("one", [_param("openvino-bf16")])
def test_it_is_measured(one: str, export_dir: Path) -> None:
    """What decides on this machine: times of each batch, and how near the embeddings are."""
    spec = replace(locate(""), max_tokens=32)
    found = measure(spec, exported(spec, export_dir), [REFERENCE, one])
    assert list(found.engines) == [REFERENCE, one]
    assert found.engines[REFERENCE].least_cosine == pytest.approx(1, abs=1e-5)
    assert 0.9999 <= found.engines[one].least_cosine <= found.engines[one].mean_cosine < 1
    for figures in found.engines.values():
        assert len(figures.batches) >= 3
        assert all(cost > 0 for _, cost in figures.batches)


@pytest.mark.model
def test_prefixes_are_applied_alike(export_dir: Path) -> None:
    """Queries and documents get their own prefix, in both engines the same."""
    spec = locate("", query_prefix="query: ", document_prefix="passage: ")
    plain = _open("onnx-fp32", export_dir)
    expected = plain.embed([f"passage: {_ENGLISH}", f"query: {_ENGLISH}"])
    plain.close()
    engines: tuple[Any, ...] = ("onnx", "torch", *(["openvino"] if _OPENVINO else []))
    for engine in engines:
        exact = replace(spec, precision="fp32")
        embedder = open_embedder(exact, cache_dir=export_dir, engine=engine)
        got = np.stack([embedder.embed([_ENGLISH])[0], embedder.embed_query(_ENGLISH)])
        embedder.close()
        assert np.allclose(got, expected, atol=1e-5)


@pytest.mark.model
def test_embedding_does_not_load_torch(export_dir: Path) -> None:
    """Once the export is there, a process embeds without torch and its 400 MB."""
    _open("onnx-fp32", export_dir).close()
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
