"""The one Chroma client of a process, and the collections that ingestd makes with it."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from ingestd.errors import StoreError

from . import ended
from .calls import Caller, RefusedError
from .collection import ChromaCollection, is_missing
from .examine import open_directory
from .health import Verdict, probe
from .late import LateClient
from .ours import check_filled_by, check_ours, metadata_of
from .recorded import recorded_function, without_stored_functions
from .verdict import Verdict as Trouble
from .verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ingestd.embed.model import ModelSpec
    from ingestd.settings.content import StoreSettings

log = structlog.get_logger(__name__)

SYNC_THRESHOLD = 1_000
"""Writes between two saves of Chroma's index. Every write reads the log since the last save again,
so a larger value makes each edit slower: measured, 48 ms at 1,000 and 342 ms at 10,000."""


class Store:
    """Opens collections on one client, which lives as long as the process.

    Attributes:
        call: makes the calls.
        away: the server did not answer when the store was opened, or was not asked.
        directory: Chroma's data where it is open in this process; None where a server has it.
    """

    def __init__(self, client: Any, call: Caller, directory: Path | None = None) -> None:
        self._client = client
        self.directory = directory
        self.away = isinstance(client, LateClient)
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

    def renew(
        self, name: str, spec: ModelSpec, recorded: Mapping[str, Any] | None
    ) -> ChromaCollection:
        """Open a collection that somebody may have deleted since: it is made anew then.

        Args:
            name: the collection's name.
            spec: as for `collection`.
            recorded: as for `collection`.

        Raises:
            ForeignCollectionError: somebody else made one of this name.
            ModelMismatchError: it holds vectors of another dimension.
            StoreError: Chroma does not answer.
        """
        with self._lock:
            self._ensure(name, spec, recorded)
        return self.collection(name, spec, recorded)

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

    def reopen(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Close the client of a directory, and open another one; no call may be under way.

        Args:
            meanwhile: called in between. When it raises, another is opened all the same.

        Raises:
            StoreError: the directory cannot be opened; the next call tries again.
            Exception: what ``meanwhile`` raised.
        """
        directory = self.directory
        if directory is None:
            raise StoreError("this store is not in a directory of ours")
        with self._lock:
            self._open.clear()  # their handles belong to the old client
            self._client.close()
            self._client = LateClient(lambda: open_directory(directory))
            try:
                meanwhile()
            finally:
                self._connect(directory)

    def _connect(self, directory: Path) -> None:
        try:
            self._client.heartbeat()
        except Exception as error:
            raise _not_opened(directory, error) from error

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
            metadata=metadata_of(spec),
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
            new_metadata=metadata_of(spec),
            new_configuration=None
            if recorded is None
            else {"embedding_function": recorded_function(recorded)},
        )


def open_http(settings: StoreSettings, url: str, *, patient: bool = False) -> Store:
    """Connect to a Chroma server, ours or somebody else's.

    Args:
        settings: of the store.
        url: the server's address.
        patient: it may be away: then it is asked once, and connected to when it is needed.

    Raises:
        ConfigError: the address is none.
        StoreError: it does not answer, or denies access; not when patient.
    """
    from .client import address  # noqa: PLC0415 - slow to import

    address(url)
    call = Caller(settings.attempts)
    connect = partial(_connect, settings, url)
    if not patient:
        return Store(call("connect", connect), call)
    try:
        return Store(Caller(1)("connect", connect), call)
    except StoreError as error:
        if error.__cause__ is None or judge(error.__cause__) is not Trouble.AGAIN:
            raise  # it is there, and not what it should be: waiting does not help
        log.warning("store_away", error=error.message, next="it is waited for")
        return Store(LateClient(connect), call)


def open_later(settings: StoreSettings, url: str) -> Store:
    """A store that connects to a Chroma server when it is first used."""
    return Store(LateClient(partial(_connect, settings, url)), Caller(settings.attempts))


def _connect(settings: StoreSettings, url: str) -> Any:
    from .client import BoundedClient  # noqa: PLC0415 - slow to import

    return BoundedClient(
        url,
        headers=settings.headers,
        tenant=settings.tenant,
        database=settings.database,
        timeout_s=settings.timeout_s,
    )


def open_embedded(settings: StoreSettings, directory: Path, *, trusted: bool = False) -> Store:
    """Open a Chroma directory in this process; the caller holds its lock.

    Args:
        settings: of the store.
        directory: Chroma's data.
        trusted: it was looked at before. Otherwise a broken one is refused: to open it may hang
            for ever, and only who may write can mend it.

    Raises:
        StoreError: it cannot be opened.
    """
    if not trusted and not ended.matches(directory):
        _refuse_broken(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        client = open_directory(directory)
    except Exception as error:
        raise _not_opened(directory, error) from error
    return Store(client, Caller(settings.attempts), directory)


def _not_opened(directory: Path, error: Exception) -> StoreError:
    return StoreError(f"cannot open the Chroma data in {directory}: {error}")


def _refuse_broken(directory: Path) -> None:
    for finding in probe(directory).findings:
        if finding.ours and finding.verdict is not Verdict.SOUND:
            raise StoreError(
                f"the Chroma data in {directory} is broken: {finding.reason}",
                hint="`ingestd rebuild` mends it, and so does the next start of the daemon.",
            )
