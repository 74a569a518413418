"""The one Chroma client of a process, and the collections that ingestd makes with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from ingestd.errors import ForeignCollectionError, ModelMismatchError, StoreError

from .calls import Caller
from .collection import ChromaCollection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ingestd.config import StoreSettings
    from ingestd.embed.model import ModelSpec

log = structlog.get_logger(__name__)

SYNC_THRESHOLD = 10_000
"""Writes between two saves of Chroma's index: each save is a moment in which a kill tears it."""

MARK = "ingestd"
"""Metadata key of the collections that ingestd made; its value is the contract's version."""
CONTRACT = 1


class Store:
    """Opens collections on one client, which lives as long as the process."""

    def __init__(self, client: Any, call: Caller) -> None:
        self._client = client
        self.call = call
        self._open: dict[str, ChromaCollection] = {}
        self._lock = threading.Lock()

    def collection(
        self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None
    ) -> ChromaCollection:
        """Open a collection, or make it.

        Args:
            name: the collection's name.
            spec: the model whose vectors go in.
            recorded: configuration of the embedding function that Chroma's clients shall build;
                None for models that no client could load.

        Raises:
            ForeignCollectionError: somebody else made it.
            ModelMismatchError: it holds vectors of another dimension.
        """
        with self._lock:
            if name not in self._open:
                self._ensure(name, spec, recorded)
                self._open[name] = ChromaCollection(name, lambda: self._get(name), self.call)
            return self._open[name]

    def existing(self, name: str) -> ChromaCollection | None:
        """Open a collection for reading; None when it is not there."""
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

        try:
            return ChromaCollection(name, lambda: self._get(name), self.call)
        except NotFoundError:
            return None

    def close(self) -> None:
        """Give the client back; a write in hand is finished first."""
        self.call.stop()
        self._open.clear()
        close = getattr(self._client, "close", None)
        if close is not None:
            close()

    def _get(self, name: str) -> Any:
        return without_stored_functions(self._client.get_collection(name, embedding_function=None))

    def _ensure(self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None) -> None:
        from chromadb.errors import NotFoundError, UniqueConstraintError  # noqa: PLC0415 - slow

        def get_or_create() -> Any:
            try:
                return self._get(name)
            except NotFoundError:
                pass
            try:
                return self._create(name, spec, recorded)
            except UniqueConstraintError:
                return self._get(name)

        handle = self.call("open_collection", get_or_create)
        found = handle.metadata or {}
        if MARK not in found:
            raise ForeignCollectionError(f"the collection {name!r} was not made by ingestd")
        if found.get("dimension") != spec.dimension:
            raise ModelMismatchError(
                f"the collection {name!r} holds vectors of {found.get('dimension')} dimensions "
                f"(model {found.get('model')!r}); the model {spec.public_name!r} gives "
                f"{spec.dimension}"
            )
        if found.get("model_fingerprint") != spec.fingerprint:
            log.warning(
                "model_changed", collection=name, old=found.get("model"), new=spec.public_name
            )
            self.call("modify_collection", lambda: _record_model(handle, spec, recorded))

    def _create(self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None) -> Any:
        log.info("collection_created", collection=name, model=spec.public_name)
        return self._client.create_collection(
            name,
            embedding_function=_recorded(recorded) if recorded is not None else None,
            configuration={"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}},
            metadata=_metadata(spec),
        )


def without_stored_functions(handle: Any) -> Any:
    """Make a handle forget the embedding functions in its collection's stored configuration.

    Chroma's client would build them at every write, in this process: with whatever model and
    arguments somebody wrote there, and for ours with torch and a look at the network.
    """
    handle._model.serialized_schema = None  # noqa: SLF001 - there is no public way
    return handle


def _record_model(handle: Any, spec: ModelSpec, recorded: Mapping[str, Any] | None) -> None:
    """Write down that another model fills a collection from now on."""
    if recorded is not None:
        try:
            handle.modify(configuration={"embedding_function": _recorded(recorded)})
        except ValueError as error:
            # The server has it; only the client's copy of the schema, which we took away, is not
            # there to be updated.
            if "Schema is missing" not in str(error):
                raise
    handle.modify(metadata=_metadata(spec))


def _metadata(spec: ModelSpec) -> dict[str, Any]:
    return {
        MARK: CONTRACT,
        "model": spec.public_name,
        "model_fingerprint": spec.fingerprint,
        "dimension": spec.dimension,
    }


def open_http(settings: StoreSettings, url: str) -> Store:
    """Connect to a Chroma server, ours or somebody else's.

    Raises:
        StoreError: it does not answer.
    """
    import chromadb  # noqa: PLC0415 - slow to import

    parts = urlsplit(url)
    headers = {settings.token_header: settings.token} if settings.token else None
    call = Caller(settings.attempts)

    def connect() -> Any:
        return chromadb.HttpClient(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or (443 if parts.scheme == "https" else 80),
            ssl=parts.scheme == "https",
            headers=headers,
            settings=_client_settings(),
            tenant=settings.tenant,
            database=settings.database,
        )

    client = call("connect", connect)
    _limit_time(client, settings.timeout_s)
    return Store(client, call)


def open_embedded(settings: StoreSettings, directory: Path) -> Store:
    """Open a Chroma directory in this process; the caller holds its lock.

    Raises:
        StoreError: it cannot be opened.
    """
    import chromadb  # noqa: PLC0415 - slow to import

    directory.mkdir(parents=True, exist_ok=True)
    try:
        client = chromadb.PersistentClient(str(directory.resolve()), settings=_client_settings())
    except Exception as error:
        raise StoreError(f"cannot open the Chroma data in {directory}: {error}") from error
    return Store(client, Caller(settings.attempts))


def _client_settings() -> Any:
    from chromadb.config import Settings  # noqa: PLC0415 - slow to import

    return Settings(anonymized_telemetry=False)


def _limit_time(client: Any, timeout_s: float) -> None:
    """Chroma's client waits for ever; its HTTP session can be told not to."""
    import httpx  # noqa: PLC0415 - loaded with Chroma

    session = getattr(getattr(client, "_server", None), "_session", None)
    if not isinstance(session, httpx.Client):
        raise StoreError("this version of chromadb cannot be given a time limit")
    session.timeout = httpx.Timeout(timeout_s)


def _recorded(config: Mapping[str, Any]) -> Any:
    """An embedding function that is only written down: ingestd never calls Chroma's."""
    from chromadb.api.types import EmbeddingFunction  # noqa: PLC0415 - slow to import

    class Recorded(EmbeddingFunction):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:  # noqa: A002 - the name is Chroma's
            raise NotImplementedError

        @staticmethod
        def name() -> str:
            return "sentence_transformer"

        def get_config(self) -> dict[str, Any]:
            return dict(config)

        @staticmethod
        def build_from_config(_config: dict[str, Any]) -> Any:
            return Recorded()

        def default_space(self) -> str:
            return "cosine"

        def supported_spaces(self) -> list[str]:
            return ["cosine"]

        def validate_config_update(self, old_config: Any, new_config: Any) -> None:
            """Any change is meant: the model was changed."""

    return Recorded()
