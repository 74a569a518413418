"""The wipe guard: absence of evidence is not deletion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from ingestd_state.documents import Document
    from ingestd_state.sources import Source

    from .watch.scan import RootState

HOLD_SHARE = 0.2
HOLD_COUNT = 20
"""Deletions wait for a person when both more than this share and more than this many are gone."""

_CACHED_DIRECTORIES = 10_000


def judge(
    source: Source, root: RootState, *, missing: int, total: int, accept: bool
) -> tuple[SourceStatus, str]:
    """Decide whether what is missing may be deleted: only a source that is online may lose.

    Args:
        source: what is remembered of it.
        root: what its root looks like now.
        missing: documents that were not found.
        total: documents that are known.
        accept: a person said that the deletions are meant.
    """
    if why := unusable(root):
        return SourceStatus.OFFLINE, why
    if accept or missing == 0:
        return SourceStatus.ONLINE, ""
    if root.empty:
        return SourceStatus.OFFLINE, "the folder is empty; it was not before"
    if source.device is not None and root.device != source.device:
        return SourceStatus.OFFLINE, "the folder is on another device than before"
    if missing > HOLD_COUNT and missing > HOLD_SHARE * total:
        return SourceStatus.HELD, f"{missing} of {total} documents are gone at once"
    return SourceStatus.ONLINE, ""


def unusable(root: RootState) -> str:
    """Why nothing can be concluded from what a root shows; empty when it can be believed."""
    if not root.exists:
        return "the folder is not there"
    if root.error:
        return root.error
    return "" if root.is_dir else "it is not a folder"


class Devices:
    """Which file systems lie where below a root, now.

    A file that is not found was deleted only if the place where it was shows the file system that
    it was on. Otherwise a mount inside the source came or went, and hides it.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._known: dict[bytes, int | None] = {}

    def hides(self, document: Document) -> bool:
        """Whether a missing document may be there still, out of sight."""
        return document.device is not None and document.device != self._at(
            document.path.rpartition(b"/")[0]
        )

    def _at(self, directory: bytes) -> int | None:
        """Device of the deepest directory on the way that is there; None when nobody can tell."""
        if directory in self._known:
            return self._known[directory]
        try:
            device: int | None = os.lstat(os.path.join(self._root, directory)).st_dev
        except (FileNotFoundError, NotADirectoryError):
            device = self._at(directory.rpartition(b"/")[0]) if directory else None
        except OSError:
            device = None
        if len(self._known) >= _CACHED_DIRECTORIES:
            self._known.clear()
        self._known[directory] = device
        return device
