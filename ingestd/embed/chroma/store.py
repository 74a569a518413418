"""The one Chroma client of a process, and the collections that ingestd makes with it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import structlog

from ingestd.errors import ForeignCollectionError, ModelMismatchError, StoreError

from .calls import Caller, RefusedError
from .collection import ChromaCollection, is_missing
from .recorded import recorded_function, without_stored_functions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ingestd.config import StoreSettings
    from ingestd.embed.model import ModelSpec

log = structlog.get_logger(__name__)

SYNC_THRESHOLD = 1_000
"""Writes between two saves of Chroma's index. Every write reads the log since the last save again,
so a larger value makes each edit slower: measured, 48 ms at 1,000 and 342 ms at 10,000."""

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
        """Open a collection for writing, or make it.

        Args:
            name: the collection's name.
            spec: the model whose vectors go in.
            recorded: configuration of the embedding function that Chroma's clients shall build;
                None for models that no client could load.

        Raises:
            ForeignCollectionError: somebody else made it.
            ModelMismatchError: it holds vectors of another dimension.
            StoreError: Chroma does not answer.
        """
        with self._lock:
            if name not in self._open:
                self._ensure(name, spec, recorded)
                self._open[name] = ChromaCollection(
                    name, lambda: check_ours(self._get(name), spec), self.call
                )
            return self._open[name]

    def existing(self, name: str, spec: ModelSpec) -> ChromaCollection | None:
        """Open a collection for reading; None when it is not there.

        Raises:
            ModelMismatchError: another model filled it: nothing it finds would mean anything.
            ForeignCollectionError: ingestd did not make it.
            StoreError: Chroma does not answer.
        """

        def get() -> Any:
            return check_filled_by(check_ours(self._get(name), spec), spec)

        try:
            return ChromaCollection(name, get, self.call)
        except RefusedError as error:
            if is_missing(error):
                return None
            raise

    def close(self) -> None:
        """Give the client back; no call may be under way."""
        self.call.stop()
        self._open.clear()
        self._client.close()

    def _get(self, name: str) -> Any:
        return without_stored_functions(self._client.get_collection(name, embedding_function=None))

    def _ensure(self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None) -> None:
        from chromadb.errors import ChromaError, NotFoundError  # noqa: PLC0415 - slow to import

        def get_or_create() -> Any:
            try:
                return self._get(name)
            except NotFoundError:
                pass
            try:
                return self._create(name, spec, recorded)
            except ChromaError:
                # Somebody was quicker, or our first try got through.
                with contextlib.suppress(NotFoundError):
                    return self._get(name)
                raise

        handle = check_ours(self.call("open_collection", get_or_create), spec)
        old = handle.metadata
        if old.get("model_fingerprint") != spec.fingerprint:
            log.warning(
                "model_changed", collection=name, old=old.get("model"), new=spec.public_name
            )
            self.call("modify_collection", lambda: self._record_model(handle.id, spec, recorded))

    def _create(self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None) -> Any:
        handle = self._client.create_collection(
            name,
            embedding_function=None if recorded is None else recorded_function(recorded),
            configuration={"hnsw": {"space": "cosine", "sync_threshold": SYNC_THRESHOLD}},
            metadata=_metadata(spec),
        )
        log.info("collection_created", collection=name, model=spec.public_name)
        return without_stored_functions(handle)

    def _record_model(
        self, collection_id: Any, spec: ModelSpec, recorded: Mapping[str, Any] | None
    ) -> None:
        """Write down that another model fills a collection from now on.

        Not by the handle's own method: it builds what was stored before, to compare.
        """
        self._client._modify(  # noqa: SLF001 - there is no public way
            collection_id,
            new_metadata=_metadata(spec),
            new_configuration=None
            if recorded is None
            else {"embedding_function": recorded_function(recorded)},
        )


def check_filled_by(handle: Any, spec: ModelSpec) -> Any:
    """See that the vectors of a collection come from this model.

    Raises:
        ModelMismatchError: they come from another one.
    """
    if handle.metadata.get("model_fingerprint") != spec.fingerprint:
        raise ModelMismatchError(
            f"the collection {handle.name!r} was filled by the model "
            f"{handle.metadata.get('model')!r}, not by {spec.public_name!r}"
        )
    return handle


def check_ours(handle: Any, spec: ModelSpec) -> Any:
    """See that ingestd made a collection, for vectors of this model's dimension.

    Raises:
        ForeignCollectionError: somebody else made it.
        ModelMismatchError: it holds vectors of another dimension.
    """
    found = handle.metadata or {}
    if MARK not in found:
        raise ForeignCollectionError(f"the collection {handle.name!r} was not made by ingestd")
    if found.get("dimension") != spec.dimension:
        raise ModelMismatchError(
            f"the collection {handle.name!r} holds vectors of {found.get('dimension')} dimensions "
            f"(model {found.get('model')!r}); the model {spec.public_name!r} gives "
            f"{spec.dimension}"
        )
    return handle


def _metadata(spec: ModelSpec) -> dict[str, Any]:
    return {
        MARK: CONTRACT,
        "model": spec.public_name,
        "model_fingerprint": spec.fingerprint,
        "dimension": spec.dimension,
    }


def open_http(settings: StoreSettings, url: str) -> Store:
    """Connect to a Chroma server, ours or somebody else's.

    Args:
        settings: of the store.
        url: the server's address.

    Raises:
        ConfigError: the address is none.
        StoreError: it does not answer, or denies access.
    """
    from .client import BoundedClient  # noqa: PLC0415 - slow to import

    call = Caller(settings.attempts)
    headers = {settings.token_header: settings.token} if settings.token else {}
    client = call(
        "connect",
        lambda: BoundedClient(
            url,
            headers=headers,
            tenant=settings.tenant,
            database=settings.database,
            timeout_s=settings.timeout_s,
        ),
    )
    return Store(client, call)


def open_embedded(settings: StoreSettings, directory: Path) -> Store:
    """Open a Chroma directory in this process; the caller holds its lock.

    Args:
        settings: of the store.
        directory: Chroma's data.

    Raises:
        StoreError: it cannot be opened.
    """
    import chromadb  # noqa: PLC0415 - slow to import

    from .client import QuietSettings  # noqa: PLC0415 - the same

    try:
        directory.mkdir(parents=True, exist_ok=True)
        client = chromadb.PersistentClient(
            str(directory.resolve()), settings=QuietSettings(anonymized_telemetry=False)
        )
    except Exception as error:
        raise StoreError(f"cannot open the Chroma data in {directory}: {error}") from error
    return Store(client, Caller(settings.attempts))
