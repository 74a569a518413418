"""What every collection promises: in memory, in an embedded Chroma, and on a managed server."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import chromadb
import httpx
import numpy as np
import pytest

from ingestd.embed.chroma.calls import Caller, RefusedError
from ingestd.embed.chroma.client import BoundedClient
from ingestd.embed.chroma.collection import BATCH_CHARACTERS, _parts
from ingestd.embed.chroma.memory import MemoryCollection
from ingestd.embed.chroma.server import ManagedServer, ServerPlan
from ingestd.embed.chroma.store import SYNC_THRESHOLD, Store, open_embedded, open_http
from ingestd.embed.model import locate
from ingestd.errors import ForeignCollectionError, ModelMismatchError, StoreError
from ingestd.lock import FileLock, Owner
from ingestd.settings.content import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ingestd.ports import Collection, Metadata, Vectors

DIMENSION = 16
SPEC = locate(f"hash:{DIMENSION}")
OTHER = replace(SPEC, weights_sha256="0" * 64, public_name="owner/other")
RECORDED = {
    "model_name": "owner/model",
    "device": "cpu",
    "normalize_embeddings": True,
    "kwargs": {},
}
SETTINGS = StoreSettings(attempts=2)
HOSTILE = {**RECORDED, "model_name": "evil/model", "kwargs": {"trust_remote_code": True}}
TEXTS = [
    "plain",
    "",
    "한국어 문서는 여러 바이트로 된다.",
    "🙂 ﷽ e\u0301 \u202e",
    "zero \x00 byte",
    "line\r\nline\ttab",
    "가" * 100_000,
]


@contextmanager
def managed(folder: Path) -> Iterator[str]:
    """The address of a managed server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        asyncio.Runner() as runner,
        FileLock(folder / "chroma.lock").acquire(Owner.me("test")) as guard,
    ):
        plan = ServerPlan(
            data=folder / "chroma",
            log_dir=folder / "logs",
            host="127.0.0.1",
            port=port,
            start_timeout_s=60,
            lock_fd=guard.fileno(),
        )
        server = ManagedServer(plan)
        runner.run(server.start())
        try:
            yield plan.url
        finally:
            runner.run(server.stop())


def connect(url: str) -> BoundedClient:
    """A client for a server."""
    return BoundedClient(
        url, headers={}, tenant="default_tenant", database="default_database", timeout_s=30
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the one managed server of this module."""
    with managed(tmp_path_factory.mktemp("managed")) as address:
        yield address


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chroma's own client for a directory of this process."""
    with chromadb.PersistentClient(str(tmp_path_factory.mktemp("beside"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The one embedded Chroma of this module."""
    store = open_embedded(SETTINGS, tmp_path_factory.mktemp("embedded") / "chroma")
    yield store
    store.close()


@pytest.fixture(params=["embedded", "managed"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of each kind that Chroma has: what `Store` works on, and what others use."""
    if request.param == "embedded":
        yield request.getfixturevalue("beside")
        return
    opened = connect(request.getfixturevalue("url"))
    yield opened
    opened.close()


@pytest.fixture
def store(client: Any) -> Store:
    """A store on that client."""
    return Store(client, Caller(2))


@pytest.fixture
def name() -> str:
    """A name that no collection has."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(params=["memory", "embedded", "managed"])
def collection(request: pytest.FixtureRequest, name: str) -> Iterator[Collection]:
    """An empty collection of each kind."""
    if request.param == "memory":
        yield MemoryCollection(name)
    elif request.param == "embedded":
        yield request.getfixturevalue("embedded").collection(name, SPEC, RECORDED)
    else:
        opened = open_http(SETTINGS, request.getfixturevalue("url"))
        yield opened.collection(name, SPEC, RECORDED)
        opened.close()


def vectors(count: int, seed: int = 0) -> Vectors:
    """Embeddings: shape (count, DIMENSION), rows of length 1."""
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)  # type: ignore[no-any-return]


def fill(collection: Collection, *ids: str, metadata: Metadata | None = None) -> Vectors:
    """Write slots whose text is their id."""
    rows = vectors(len(ids))
    collection.upsert(ids, rows, ids, [metadata or {"n": 1}] * len(ids))
    return rows


def content(collection: Collection) -> dict[str, tuple[str, dict[str, Any]]]:
    """Text and metadata of every slot."""
    records = collection.page(0, 10_000)
    return {record.id: (record.text, dict(record.metadata)) for record in records}


def embeddings(collection: Collection) -> dict[str, Vectors]:
    """Embedding of every slot."""
    records = collection.page(0, 10_000, embeddings=True)
    return {record.id: np.asarray(record.embedding, np.float32) for record in records}


# The port, over all three.


def test_a_new_collection_is_empty(collection: Collection, name: str) -> None:
    """Nothing is there, and asking is no error."""
    assert collection.name == name
    assert collection.count() == 0
    assert collection.page(0, 10) == []
    assert collection.query(vectors(1)[0], 5) == []


def test_what_is_written_is_read(collection: Collection) -> None:
    """Ids, texts, metadata of each type, and embeddings come back as they were given."""
    metadata: dict[str, str | float | None] = {
        "text": "값",
        "whole": -3,
        "float": 1.5,
        "true": True,
        "false": False,
        "gone": None,
    }
    rows = vectors(2)
    collection.upsert(["a", "b"], rows, ["A", "B"], [metadata, {"n": 2**40}])
    del metadata["gone"]
    assert content(collection) == {"a": ("A", metadata), "b": ("B", {"n": 2**40})}
    assert isinstance(content(collection)["a"][1]["true"], bool)
    assert np.allclose(embeddings(collection)["b"], rows[1], atol=1e-6)
    assert collection.count() == 2


def test_an_upsert_replaces_text_and_embedding_and_merges_metadata(collection: Collection) -> None:
    """A slot takes the new text and embedding; keys that are not named survive, None removes."""
    collection.upsert(["a"], vectors(1), ["old"], [{"keep": 1, "change": 1, "remove": 1}])
    row = vectors(1, seed=1)
    collection.upsert(["a"], row, ["new"], [{"change": 2, "remove": None, "add": "x"}])
    assert content(collection) == {"a": ("new", {"keep": 1, "change": 2, "add": "x"})}
    assert np.allclose(embeddings(collection)["a"], row[0], atol=1e-6)
    assert collection.query(row[0], 5)[0].distance == pytest.approx(0, abs=1e-5)
    assert collection.count() == 1


def test_relabelling_touches_metadata_only(collection: Collection) -> None:
    """Text and embedding stay; keys merge, None removes; slots that are not there stay away."""
    rows = fill(collection, "a", "b", metadata={"keep": 1, "remove": 2})
    labels = {"remove": None, "add": 3}
    collection.relabel(["a", "absent"], [labels, labels])
    assert content(collection) == {
        "a": ("a", {"keep": 1, "add": 3}),
        "b": ("b", {"keep": 1, "remove": 2}),
    }
    assert np.allclose(embeddings(collection)["a"], rows[0], atol=1e-6)


def test_deleting(collection: Collection) -> None:
    """Slots go, also from queries; ids that are not there are ignored; a slot may come again."""
    rows = fill(collection, "a", "b", "c")
    collection.delete(["b", "absent"])
    collection.delete(["absent"])
    assert set(content(collection)) == {"a", "c"}
    assert {hit.id for hit in collection.query(rows[1], 5)} == {"a", "c"}
    collection.upsert(["b"], rows[1:2], ["again"], [{"n": 2}])
    assert content(collection)["b"] == ("again", {"n": 2})
    assert collection.query(rows[1], 1)[0].text == "again"


def test_getting_slots_by_id(collection: Collection) -> None:
    """Those that are there come back, in any order, with embeddings only when asked for."""
    ids = [f"slot-{number}" for number in range(600)]
    rows = fill(collection, *ids)
    got = {record.id: record for record in collection.get(["absent", *ids])}
    assert set(got) == set(ids)
    assert (got["slot-7"].text, got["slot-7"].metadata) == ("slot-7", {"n": 1})
    assert len(got["slot-7"].embedding) == 0
    (record,) = collection.get(["slot-599"], embeddings=True)
    assert np.allclose(record.embedding, rows[599], atol=1e-6)
    assert collection.get([]) == []
    assert collection.get(["absent"], embeddings=True) == []
    (record,) = collection.get(["slot-599"], texts=False)
    assert (record.text, record.metadata) == ("", {"n": 1})


def test_refilling_touches_embeddings_only(collection: Collection) -> None:
    """Text and metadata stay; what is refilled is found by its new embedding, and only there."""
    ids = [f"slot-{number}" for number in range(300)]
    fill(collection, *ids, metadata={"keep": 1})
    before = content(collection)
    rows = vectors(300, seed=5)
    collection.refill(ids, rows)
    assert content(collection) == before
    assert np.allclose(embeddings(collection)["slot-299"], rows[299], atol=1e-6)
    assert collection.query(rows[42], 1)[0].id == "slot-42"
    collection.refill([], vectors(0))
    assert collection.count() == len(ids)


def test_nothing_to_do_is_done(collection: Collection) -> None:
    """No slots are no error."""
    collection.upsert([], vectors(0), [], [])
    collection.relabel([], [])
    collection.delete([])
    assert collection.count() == 0


def test_a_slot_without_metadata(collection: Collection) -> None:
    """Empty metadata is allowed, and found."""
    rows = vectors(2)
    collection.upsert(["a", "b"], rows, ["text", "text"], [{}, {"n": 1}])
    collection.relabel(["a"], [{}])
    assert content(collection)["a"] == ("text", {})
    assert {hit.id for hit in collection.query(rows[0], 5)} == {"a", "b"}


def test_any_text_comes_back(collection: Collection) -> None:
    """Empty, Korean, combined, control and very long strings, in ids, texts and metadata."""
    ids = [f"{number} {text[:100]}" for number, text in enumerate(TEXTS)]
    rows = vectors(len(TEXTS))
    collection.upsert(ids, rows, TEXTS, [{"text": text} for text in TEXTS])
    assert content(collection) == {
        slot: (text, {"text": text}) for slot, text in zip(ids, TEXTS, strict=True)
    }
    assert [hit.text for hit in collection.query(rows[2], 1)] == [TEXTS[2]]
    collection.delete(ids)
    assert collection.count() == 0


def test_many_slots_at_once(collection: Collection) -> None:
    """More slots than a request takes are written, paged, relabelled and deleted all the same."""
    ids = [f"slot-{number}" for number in range(613)]
    rows = fill(collection, *ids)
    assert collection.count() == len(ids)
    pages = [collection.page(offset, 100) for offset in range(0, 700, 100)]
    assert [len(page) for page in pages] == [100] * 6 + [13]
    assert {record.id for page in pages for record in page} == set(ids)
    assert all(collection.query(rows[place], 1)[0].id == ids[place] for place in (0, 249, 250, 612))
    collection.relabel(ids, [{"n": number} for number in range(613)])
    assert {slot: values["n"] for slot, (_, values) in content(collection).items()} == {
        slot: number for number, slot in enumerate(ids)
    }
    collection.delete(ids[:600])
    assert set(content(collection)) == set(ids[600:])


def test_query_order_and_limit(collection: Collection) -> None:
    """Hits come nearest first, with cosine distances, at most as many as asked for."""
    ids = [f"s{number}" for number in range(50)]
    rows = fill(collection, *ids)
    wanted = vectors(1, seed=9)[0]
    distances = 1 - rows @ wanted
    hits = collection.query(wanted * 7, 10)
    assert [hit.id for hit in hits] == [ids[place] for place in np.argsort(distances)[:10]]
    assert [hit.distance for hit in hits] == pytest.approx(np.sort(distances)[:10], abs=1e-5)
    assert hits[0].text == hits[0].id
    assert hits[0].metadata == {"n": 1}
    assert len(collection.query(wanted, 1_000)) == 50


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([], []),
        ([0] * 251, [250, 1]),
        ([BATCH_CHARACTERS // 2] * 5, [2, 2, 1]),
        ([BATCH_CHARACTERS * 2] * 2 + [1, 1], [1, 1, 2]),
    ],
    ids=["none", "many", "long", "longer than a request"],
)
def test_how_requests_are_cut(lengths: list[int], sizes: list[int]) -> None:
    """By number and by length, in order, none empty and none left out."""
    parts = list(_parts(lengths))
    assert [part.stop - part.start for part in parts] == sizes
    assert [place for part in parts for place in range(part.start, part.stop)] == list(
        range(len(lengths))
    )


def test_more_text_than_a_request_takes(url: str, name: str) -> None:
    """The server takes 40 MiB a request; texts that are more together are written all the same."""
    store = open_http(SETTINGS, url)
    collection = store.collection(name, SPEC, RECORDED)
    texts = [f"{number}" + "\x01" * 1_500_000 for number in range(5)]  # 6 bytes each in JSON
    collection.upsert([text[0] for text in texts], vectors(5), texts, [{"n": 1}] * 5)
    assert [record.text == texts[int(record.id)] for record in collection.page(0, 10)] == [True] * 5
    store.close()


# What Chroma adds: collections with an owner, a model, and a life of their own.


def stored(client: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the metadata that Chroma keeps with a collection."""
    handle = client.get_collection(name, embedding_function=None)
    return handle.configuration_json, handle.metadata


def test_how_collections_are_made(client: Any, store: Store, name: str) -> None:
    """With cosine distance, seldom saves, the embedding function for readers, and our mark."""
    store.collection(name, SPEC, RECORDED)
    configuration, metadata = stored(client, name)
    assert configuration["hnsw"]["space"] == "cosine"
    assert configuration["hnsw"]["sync_threshold"] == SYNC_THRESHOLD
    function = configuration["embedding_function"]
    assert (function["name"], function["config"]) == ("sentence_transformer", RECORDED)
    assert metadata == {
        "ingestd": 1,
        "model": SPEC.public_name,
        "model_fingerprint": SPEC.fingerprint,
        "dimension": DIMENSION,
    }


def test_a_model_that_no_reader_can_load(client: Any, store: Store, name: str) -> None:
    """Its collection records no embedding function."""
    store.collection(name, SPEC, None)
    assert stored(client, name)[0]["embedding_function"]["type"] == "legacy"


def test_a_collection_is_opened_once(store: Store, name: str) -> None:
    """A second opening gives the same object, and asks nobody."""
    assert store.collection(name, SPEC, RECORDED) is store.collection(name, SPEC, RECORDED)


def test_a_foreign_collection_is_refused(client: Any, store: Store, name: str) -> None:
    """What somebody else made is not written to."""
    client.create_collection(name, embedding_function=None, metadata={"dimension": DIMENSION})
    with pytest.raises(ForeignCollectionError, match=name):
        store.collection(name, SPEC, RECORDED)


def test_another_dimension_is_refused(client: Any, store: Store, name: str) -> None:
    """A model whose vectors have another length cannot write to the collection."""
    store.collection(name, SPEC, RECORDED)
    with pytest.raises(ModelMismatchError, match="16 dimensions"):
        Store(client, Caller(1)).collection(name, locate("hash:32"), RECORDED)


def test_a_change_of_model_is_recorded(client: Any, store: Store, name: str) -> None:
    """With the same dimension the collection stays; readers are told the new model."""
    rows = fill(store.collection(name, SPEC, RECORDED), "a")
    recorded = {**RECORDED, "model_name": OTHER.public_name}
    collection = Store(client, Caller(1)).collection(name, OTHER, recorded)
    configuration, metadata = stored(client, name)
    assert configuration["embedding_function"]["config"] == recorded
    assert configuration["hnsw"]["space"] == "cosine"
    assert metadata["model"] == OTHER.public_name
    assert metadata["model_fingerprint"] == OTHER.fingerprint
    assert collection.query(rows[0], 1)[0].id == "a"


def test_reading_what_is_not_there(store: Store, name: str) -> None:
    """A reader is told that there is no such collection, and makes none."""
    assert store.existing(name, SPEC) is None
    assert store.existing(name, SPEC) is None
    fill(store.collection(name, SPEC, RECORDED), "a")
    found = store.existing(name, SPEC)
    assert found is not None
    assert found.count() == 1
    with pytest.raises(ModelMismatchError, match=OTHER.public_name):
        store.existing(name, OTHER)


def test_a_collection_that_was_made_anew(client: Any, store: Store, name: str) -> None:
    """When somebody deleted it and ingestd made it again, an old handle goes on with the new."""
    collection = store.collection(name, SPEC, RECORDED)
    fill(collection, "a")
    metadata = stored(client, name)[1]
    client.delete_collection(name)
    client.create_collection(name, embedding_function=None, metadata=metadata)
    assert collection.count() == 0
    fill(collection, "b")
    assert set(content(collection)) == {"b"}


def test_a_collection_that_was_deleted(client: Any, store: Store, name: str) -> None:
    """A deleted collection is a failure of the store, not of the document in hand."""
    collection = store.collection(name, SPEC, RECORDED)
    client.delete_collection(name)
    with pytest.raises(StoreError, match="is gone") as caught:
        fill(collection, "a")
    assert not isinstance(caught.value, RefusedError)
    assert "reindex --all" in caught.value.hint


def test_a_collection_that_somebody_else_put_in_its_place(
    client: Any, store: Store, name: str
) -> None:
    """A foreign collection under our name is not written to, also when it came later."""
    collection = store.collection(name, SPEC, RECORDED)
    client.delete_collection(name)
    client.create_collection(name, embedding_function=None)
    with pytest.raises(ForeignCollectionError):
        fill(collection, "a")
    assert client.get_collection(name, embedding_function=None).count() == 0


class Late:
    """A client that comes too late: between its look for a collection and its making it."""

    def __init__(self, client: Any, first: Store) -> None:
        self._client = client
        self._first = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_collection(self, name: str, **arguments: Any) -> Any:
        """Look; where nothing is, let the other make it."""
        try:
            return self._client.get_collection(name, **arguments)
        except chromadb.errors.NotFoundError:
            self._first.collection(name, SPEC, RECORDED)
            raise


def test_two_that_make_it_at_once(client: Any, store: Store, name: str) -> None:
    """Who is second opens what the first made."""
    second = Store(Late(client, store), Caller(1))
    fill(second.collection(name, SPEC, RECORDED), "a")
    assert store.collection(name, SPEC, RECORDED).count() == 1


@pytest.mark.parametrize(
    ("ids", "rows", "texts"),
    [
        (["a", "a"], vectors(2), ["x", "y"]),
        (["a"], np.full((1, DIMENSION), np.nan, np.float32), ["x"]),
        (["a"], vectors(1)[:, :8], ["x"]),
        (["a"], vectors(1), ["broken \ud800 text"]),
    ],
    ids=["one id twice", "not a number", "other dimension", "half a character"],
)
def test_a_wrong_request_is_refused_at_once(
    store: Store, name: str, ids: list[str], rows: Vectors, texts: list[str]
) -> None:
    """What can never succeed is refused, with nothing written."""
    collection = store.collection(name, SPEC, RECORDED)
    fill(collection, "b")
    with pytest.raises(RefusedError):
        collection.upsert(ids, rows, texts, [{"n": 1}] * len(ids))
    assert set(content(collection)) == {"b"}


# Chroma's client would build the embedding function that is stored with a collection.

USE = """
import json, sys
from pathlib import Path
import numpy as np
from dataclasses import replace
from ingestd.settings.content import StoreSettings
from ingestd.embed.chroma.store import open_embedded, open_http
from ingestd.embed.model import locate

place, name, recorded = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
spec = locate("hash:16")
other = replace(spec, weights_sha256="0" * 64)
for model in (spec, other, spec):
    if place.startswith("http"):
        store = open_http(StoreSettings(attempts=1), place)
    else:
        store = open_embedded(StoreSettings(attempts=1), Path(place))
    collection = store.collection(name, model, recorded)
    row = np.ones((1, 16), np.float32)
    collection.upsert(["a"], row, ["text"], [{"n": 1}])
    collection.relabel(["a"], [{"n": 2}])
    assert collection.query(row[0], 1)[0].metadata == {"n": 2}
    assert store.existing(name, model).page(0, 1, embeddings=True)[0].text == "text"
    collection.delete(["a"])
    store.close()
heavy = {"torch", "transformers", "sentence_transformers", "onnxruntime"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""


def use(place: str, name: str) -> subprocess.CompletedProcess[str]:
    """Do everything with a collection that ingestd does, in a process of its own."""
    command = [sys.executable, "-c", USE, place, name, json.dumps(RECORDED)]
    return subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)


@pytest.mark.parametrize("kind", ["embedded", "managed"])
def test_no_embedding_function_is_ever_built(
    kind: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Writing, reading and a change of model load no model, and none of the libraries for it."""
    place = request.getfixturevalue("url") if kind == "managed" else str(tmp_path)
    for _ in range(2):  # the second process finds what the first made
        done = use(place, name)
        assert done.returncode == 0, done.stderr


def test_a_hostile_configuration_is_never_built(url: str, name: str) -> None:
    """Where somebody stored a model with remote code, ingestd reads on and loads nothing."""
    path = f"{url}/api/v2/tenants/default_tenant/databases/default_database/collections"
    function = {"type": "known", "name": "sentence_transformer", "config": HOSTILE}
    metadata = {"ingestd": 1, "dimension": DIMENSION, "model_fingerprint": SPEC.fingerprint}
    body = {
        "name": name,
        "configuration": {"hnsw": {"space": "cosine"}, "embedding_function": function},
        "metadata": metadata,
    }
    assert httpx.post(path, json=body, timeout=10).is_success
    done = use(url, name)
    assert done.returncode == 0, done.stderr
    kept = httpx.get(f"{path}/{name}", timeout=10).json()
    assert "evil/model" not in json.dumps(kept)
