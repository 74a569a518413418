"""The wipe guard: absence of evidence is not deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from ingestd_state.sources import Source

    from .watch.scan import RootState

HOLD_SHARE = 0.2
HOLD_COUNT = 20
"""Deletions wait for a person when both more than this share and more than this many are gone."""


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
