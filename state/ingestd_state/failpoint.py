"""Named places in the write order at which a test can have the process die.

A crash between two steps must leave something that the next start settles. That is shown by
dying there: with ``INGESTD_FAILPOINT=NAME`` in the environment the process kills itself by SIGKILL
when it comes to that place, and with ``NAME:3`` when it comes there for the third time. Without
the variable, which is how it runs, reaching a place is an empty call.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "INGESTD_FAILPOINT"

POINTS: dict[str, str] = {
    "claim.committed": "documents are in hand, and none is read",
    "embed.window": "some of a batch's texts are in the vectors cache, others are not",
    "plan.begun": "the plan is written, and not committed",
    "plan.committed": "the plan is committed, and nothing of it is in the collection",
    "upsert.part": "some of the planned slots are in the collection",
    "upsert.done": "all planned slots are in, those that stay have their old labels",
    "relabel.part": "some of the slots that stay have their new labels",
    "live.begun": "the documents are marked indexed, and it is not committed",
    "live.committed": "the documents are indexed, slots that nobody took over are still there",
    "doomed.deleted": "slots are deleted from the collection, their rows are still there",
    "doomed.forgotten": "the rows are gone, the tombstone is still there",
    "long.matched": "the slots of a long document are matched with its chunks, in its spool",
    "long.planned": "a page of a long document is planned, and not in the collection",
    "long.upserted": "a page is in the collection, and still planned",
    "long.live": "a page is live, the next one is not planned",
    "long.doomed": "some of the slots that no page took over are doomed, others seem live",
    "long.finished": "a long document is indexed, slots that no page took over are still there",
    "long.leaving": "some slots of a long document that leaves are doomed, others are live",
    "labels.part": "a moved document has some of its new labels",
    "labels.done": "a moved document has its new labels, and is still in hand",
    "outcome.begun": "outcomes are written, and not committed",
    "orphan.deleted": "orphans are deleted from the collection, their rows are still there",
    "settle.recovered": "what an earlier process had in hand is given back",
    "withdraw.begun": "a plan that broke off is taken back, and not committed",
    "withdraw.committed": "the table says again what the collection holds",
    "reconcile.begun": "what a scan found is written, and not committed",
    "reconcile.applied": "a part of a scan is recorded",
    "reconcile.missing": "what is gone is marked, and nothing is decided about it",
    "reconcile.buried": "some tombstones are made, or all, and the source is as it was",
    "reconcile.decided": "all tombstones are made, and the source says what was decided",
    "backfill.part": "some of what another version indexed is taken up again, or all",
    "register.part": "a source goes elsewhere; some of its rows say so, it does not yet",
    "migrate.begun": "the tables are changed, and it is not committed",
    "migrate.committed": "the tables are of the new version",
    "prune.begun": "a part of the vectors cache is removed, and not committed",
    "refill.flagged": "a collection is to be filled anew, its broken index is still in place",
    "refill.set_aside": "the broken index is out of the way",
    "refill.part": "some slots have their vectors again",
    "refill.done": "all slots have their vectors, and the flag still stands",
    "compact.part": "some slots are in an index that is built beside the one in use",
    "compact.built": "the new indexes are built, and nothing is exchanged",
    "compact.squeezed": "the new database is there as well, and nothing is exchanged",
    "compact.closed": "nobody has Chroma open, and nothing is exchanged",
    "compact.index": "a new index is in place, the old database is",
    "compact.exchanged": "new indexes and database are in place, and nobody has them open",
    "compact.serving": "Chroma is open again, and the old files are still there",
}
"""Every place, and what is true there."""


def _nothing(_name: str) -> None:
    """How it is outside of tests."""


def _killer(wanted: str) -> Callable[[str], None]:
    name, _, number = wanted.partition(":")
    if name not in POINTS:
        message = f"{VARIABLE}: there is no failpoint {name!r}"
        raise ValueError(message)
    left = int(number or 1)

    def reached(here: str) -> None:
        nonlocal left
        if here != name:
            return
        left -= 1
        if left == 0:
            sys.stderr.write(f"{VARIABLE}: dying at {name}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


reached: Callable[[str], None] = (
    _killer(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _nothing
)
"""Say that the process came to a place of `POINTS`."""
