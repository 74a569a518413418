"""Why a path is, or is not, in the collection: read from the table, the rules and the disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd_state.status import DocumentStatus, SourceStatus

from . import output

if TYPE_CHECKING:
    from ingestd.watch.rules import Rules
    from ingestd_state.documents import Document
    from ingestd_state.sources import Source

SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a path.

    Attributes:
        state: a document's state, or ``excluded``, ``folder``, ``link``, ``special``,
            ``unreadable``, ``absent``, ``detached`` or ``unseen``.
        reason: why, in words.
        rule: the pattern that decided, and where it stands.
        next: what happens next.
    """

    state: str
    reason: str = ""
    rule: str = ""
    next: str = ""


def of_document(
    document: Document, source: Source, rules: Rules, *, running: bool, now: float
) -> Verdict:
    """The verdict about a document that the table has."""
    state = document.status
    if source.status is SourceStatus.DETACHED:
        following = "nothing: its source is no longer configured; it stays searchable as it is"
    elif document.missing_since is not None and state is not DocumentStatus.DELETED:
        held = source.reason or "the next scan decides"
        following = f"the file is missing; its chunks stay until that is certain ({held})"
    elif not (decision := rules.decide(document.path)).taken:
        following = f"the next scan takes it out: {decision.rule}"
        return Verdict(state.value, _reason(document), decision.rule, following)
    elif changed_since(document, source):
        following = f"it changed since: {_soon(running)}"
    else:
        following = _after(document, running=running, now=now)
    return Verdict(state.value, _reason(document), next=following)


def changed_since(document: Document, source: Source) -> bool:
    """Whether the file is not what was last read; a file that cannot be seen is not changed."""
    try:
        found = os.stat(os.path.join(source.path, document.path))  # noqa: PTH116 - bytes
    except OSError:
        return False
    now = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return now != document.fingerprint


def of_path(path: bytes, source: Source, rules: Rules, *, running: bool) -> Verdict:
    """The verdict about a path in a source that the table does not have."""
    full = os.path.join(source.path, path) if path else source.path
    try:
        if link := _link_on_the_way(source.path, path):
            reason = f"{output.text(link)} is a link to a folder; those are not followed"
            return Verdict("link", reason, next="nothing")
        mode = os.lstat(full).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Verdict("absent", "there is no such file, and none is known", next="nothing")
    except OSError as error:
        why = error.strerror or str(error)
        return Verdict("unreadable", why, next="each scan looks again")
    decision = rules.decide(path, is_dir=stat.S_ISDIR(mode))
    if not decision.taken:
        follows = "nothing, while this rule stands"
        return Verdict("excluded", decision.reason, decision.rule, follows)
    return _of_kind(mode, path, source, rules, running=running)


def _of_kind(mode: int, path: bytes, source: Source, rules: Rules, *, running: bool) -> Verdict:
    """The verdict about what the rules take, by what it is."""
    if stat.S_ISDIR(mode):
        return Verdict(
            "folder", "a folder that is watched", next="`ingestd ls` lists what is in it"
        )
    if stat.S_IFMT(mode) in SPECIAL:
        reason = f"{SPECIAL[stat.S_IFMT(mode)]}, not a file"
        return Verdict("special", reason, next="nothing")
    if stat.S_ISLNK(mode) and (reason := _refused_link(path, source, rules)):
        return Verdict("link", reason, next="nothing, while the link leads there")
    if source.status is SourceStatus.DETACHED:
        return Verdict("detached", "its source is no longer configured", next="nothing")
    return Verdict("unseen", "it was not seen yet", next=_soon(running))


def _link_on_the_way(root: bytes, path: bytes) -> bytes | None:
    """The first folder on the way down that is a link."""
    at = root
    for name in path.split(b"/")[:-1]:
        at = os.path.join(at, name)
        if stat.S_ISLNK(os.lstat(at).st_mode):
            return at
    return None


def _refused_link(path: bytes, source: Source, rules: Rules) -> str:
    """Why a link is not taken; empty when it is."""
    full = os.path.join(source.path, path)
    target = os.path.realpath(full)
    top = os.path.realpath(source.path).rstrip(b"/") + b"/"
    if not os.path.lexists(target):
        return "a link that leads nowhere"
    if os.path.isdir(target):
        return "a link to a folder; those are not followed"
    if not target.startswith(top):
        return "a link that leads out of the source"
    decision = rules.decide(target.removeprefix(top))
    return "" if decision.taken else f"a link to a file that is left out: {decision.rule}"


def _reason(document: Document) -> str:
    if document.error_text:
        return document.error_text
    if document.reason:
        return document.reason
    return {
        DocumentStatus.PENDING: "it is new, or it changed, and waits to be read",
        DocumentStatus.WORKING: "it is being read and embedded",
        DocumentStatus.INDEXED: "its chunks are in the collection",
        DocumentStatus.DELETED: "the file is gone; its chunks are being deleted",
    }.get(document.status, "")


def _after(document: Document, *, running: bool, now: float) -> str:
    """What follows for a document that is as it was last read."""
    if document.status in {DocumentStatus.INDEXED, DocumentStatus.SKIPPED}:
        return "nothing, until the file changes"
    if document.status is DocumentStatus.DEAD:
        return "nothing, until the file changes; `ingestd reindex --failed` tries again"
    if not running:
        return "no daemon runs: `ingestd run` or `ingestd reindex` takes it up"
    if document.retry_at is not None and document.retry_at > now:
        return f"the next try is in {output.ago(document.retry_at - now)}"
    return "the daemon takes it up as soon as its turn comes"


def _soon(running: bool) -> str:
    if running:
        return "the daemon takes it up within seconds, or at the next scan at the latest"
    return "no daemon runs: `ingestd run` or `ingestd reindex` takes it up"
