"""Builds the index of a collection beside the one in use, and follows what changes meanwhile.

Each round compares what the slots hold now with what was built, and carries over the difference.
The first one carries over everything, and may take minutes; the last one, while nobody writes, next
to nothing. Lists of slots are files: memory does not grow with the collection.
"""

from __future__ import annotations

import contextlib
import json
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ingestd.errors import StoreError
from ingestd_state import failpoint, vectors

from .builder import Builder
from .exchange import NEW
from .layout import Held, held, index_of_build
from .segment import TornError, probe_segment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from ingestd.ports import Collection, Vectors
    from ingestd_state.engine import Database

    from .layout import Layout

PAGE = 1_000
"""Slots an order: their vectors are in memory, 1.5 MB at 384 dimensions."""
UNKNOWN = "?"
"""Listed for a slot that was gone when its vector was read; no digest is like it."""

Change = tuple[Held, bool, bool]
"""A slot, whether it is there now, and whether the index holds it like that."""


class Beside:
    """One collection's index in the making. Blocking, and of one thread at a time.

    Args:
        directory: Chroma's data.
        folder: the workplace inside of it.
        layout: where the collection lies.
        collection: it, for vectors that the cache does not hold.
        cache: the vectors cache.
        model: fingerprint of the model in use.
        index: Chroma's parameters of the index.
    """

    def __init__(
        self,
        directory: Path,
        folder: Path,
        layout: Layout,
        *,
        collection: Collection,
        cache: Database,
        model: str,
        index: Mapping[str, Any],
    ) -> None:
        self.layout = layout
        self._directory = directory
        self._folder = folder
        self._place = folder / f"build-{layout.segment}"
        self._list = folder / f"{layout.segment}.list"
        self._collection = collection
        self._cache = cache
        self._model = model
        self._index = index
        self.listed = 0
        self.changed = 0
        self.read_back = 0

    def follow(self, *, final: bool) -> Generator[int]:
        """Carry over what differs.

        Args:
            final: nobody writes meanwhile, so a slot without a vector is an error.

        Yields:
            How many slots were compared so far, after each page.

        Raises:
            StoreError: the database cannot be read, a vector is nowhere, or the process that builds
                failed. Nothing is lost with what was built.
            DatabaseError: the vectors cache cannot be read.
        """
        new = self._list.with_suffix(".next")
        self.listed = self.changed = done = 0
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(new.open("w", encoding="utf-8"))
            builder: Builder | None = None
            compared = compare(_read(self._list), held(self._directory, self.layout))
            while page := list(islice(compared, PAGE)):
                done += len(page)
                if not all(same for _, _, same in page):
                    if builder is None:
                        builder = stack.enter_context(Builder(self._place, self._index))
                    page = self._carry_over(builder, page, final=final)
                for slot, there, _ in page:
                    if there:
                        out.write(json.dumps([slot.slot, slot.digest]) + "\n")
                        self.listed += slot.digest != UNKNOWN
                failpoint.reached("compact.part")
                yield done
            if builder is not None and builder.save() != self.listed:
                raise StoreError(f"the new index of {self.layout.name!r} lacks slots")
        new.replace(self._list)

    def finish(self) -> None:
        """Look at the new index, and lay it ready; without slots there is none.

        Raises:
            StoreError: it is not what it should be.
        """
        if not self.listed:
            return
        folder = self._place / index_of_build(self._place)
        try:
            labels = probe_segment(folder, frozenset(), saved=True)
        except TornError as error:
            raise StoreError(f"the new index of {self.layout.name!r}: {error}") from error
        if labels is not None and labels.ids != self.listed:
            raise StoreError(
                f"the new index of {self.layout.name!r} holds {labels.ids} of {self.listed} slots"
            )
        folder.rename(self._folder / NEW / self.layout.segment)

    def _carry_over(self, builder: Builder, page: Sequence[Change], *, final: bool) -> list[Change]:
        """Carry a page over; returns it with what was not found marked as such."""
        gone = [slot.slot for slot, there, _ in page if not there]
        builder.drop(gone)
        wanted = [slot for slot, there, same in page if there and not same]
        found = self._vectors(wanted)
        absent = {slot.slot for slot in wanted} - found.keys()
        if absent and final:
            raise StoreError(
                f"{len(absent)} slots of {self.layout.name!r} have no vector",
                hint="`ingestd repair` mends what is broken; compact again after it.",
            )
        if found:
            builder.put(list(found), np.stack(list(found.values())))
        self.changed += len(gone) + len(found)
        return [
            (Held(slot.slot, UNKNOWN) if slot.slot in absent else slot, there, same)
            for slot, there, same in page
        ]

    def _vectors(self, wanted: Sequence[Held]) -> dict[str, Vectors]:
        """The vectors of slots: from the cache, else from the index in use."""
        keys = {slot.slot: _key(slot.digest) for slot in wanted}
        with self._cache.read() as connection:
            known = vectors.get(connection, self._model, [key for key in keys.values() if key])
        found = {
            slot: np.frombuffer(known[key], "<f4") for slot, key in keys.items() if key in known
        }
        rest = [slot for slot in keys if slot not in found]
        for record in self._collection.get(rest, embeddings=True, texts=False):
            found[record.id] = np.asarray(record.embedding, np.float32)
            self.read_back += 1
        return found


def compare(before: Iterable[Held], now: Iterable[Held]) -> Iterator[Change]:
    """Compare two lists in order of their slots.

    Args:
        before: what was built.
        now: what there is.

    Yields:
        Every slot of either list, once, in order.
    """
    old, new = iter(before), iter(now)
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.slot < other.slot):
            if one is not None:
                yield one, False, False
            one = next(old, None)
        elif one is None or other.slot < one.slot:
            yield other, True, False
            other = next(new, None)
        else:
            yield other, True, one.digest == other.digest != ""
            one, other = next(old, None), next(new, None)


def _read(path: Path) -> Iterator[Held]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield Held(*json.loads(line))


def _key(digest: str) -> bytes | None:
    """The key of a vector in the cache; None for a slot that tells none."""
    try:
        return bytes.fromhex(digest) or None
    except ValueError:
        return None
