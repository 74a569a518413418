"""Why a path is, or is not, in the collection: read from the table, the rules and the disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestd.embed.extract import scans
from ingestd.embed.extract.extras import missing_extra
from ingestd.guard import unusable
from ingestd.paths import text_of
from ingestd.ports import SEALED
from ingestd.watch.rules import DEFAULT_MAX_FILE_BYTES, SECRET, UNREADABLE, steps
from ingestd.watch.scan import probe_root
from ingestd_state.status import DocumentStatus, SourceStatus

from . import output

if TYPE_CHECKING:
    from ingestd.watch.rules import Decision, Rules
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
            ``unreadable``, ``absent``, ``offline``, ``detached`` or ``unseen``.
        reason: why, in words.
        rule: the pattern that decided, and where it stands.
        next: what happens next.
        at: as of when that is so, in Unix seconds: when an indexed document was indexed, when the
            change of another one was seen; None for what was decided by looking now.
    """

    state: str
    reason: str = ""
    rule: str = ""
    next: str = ""
    at: float | None = None


def of_document(
    document: Document, source: Source, rules: Rules, *, running: bool, now: float
) -> Verdict:
    """The verdict about a document that the table has."""
    rule, following = _following(document, source, rules, running=running, now=now)
    indexed = document.status is DocumentStatus.INDEXED
    at = document.indexed_at if indexed else document.changed_at
    return Verdict(document.status.value, _reason(document), rule, following, at)


def _following(
    document: Document, source: Source, rules: Rules, *, running: bool, now: float
) -> tuple[str, str]:
    """The rule that will take a document out, if there is one, and what happens next."""
    if kept := _kept(document, source):
        return "", kept
    decision = rules.decide(document.path)
    if decision.reason == UNREADABLE:
        return decision.rule, "the rules cannot be read: it stays as it is until they can"
    if not decision.taken:
        return decision.rule, f"the next scan takes it out: {decision.rule}"
    if document.status is not DocumentStatus.DELETED and _is_gone(document, source):
        return "", f"the file is gone: {_soon(source, running=running)}"
    if changed_since(document, source):
        return "", f"it changed since: {_soon(source, running=running)}"
    return "", _after(document, running=running, now=now)


def _kept(document: Document, source: Source) -> str:
    """Why a document stays as it is, whatever is on disk; empty where nothing holds it."""
    if source.status is SourceStatus.DETACHED:
        return "nothing: its source is no longer configured; it stays searchable as it is"
    if away := _away(source):
        return f"its source is offline ({away}): nothing of it is deleted until it is back"
    if document.missing_since is not None and document.status is not DocumentStatus.DELETED:
        return f"the file is missing; its chunks stay until that is certain ({_held(source)})"
    return ""


def _held(source: Source) -> str:
    if source.status is SourceStatus.HELD:
        accept = f"`ingestd reconcile --accept-deletes {source.name}` says that it is meant"
        return f"{source.reason}; {accept}"
    return source.reason or "the next scan decides"


def _away(source: Source) -> str:
    """Why nothing can be concluded from what is where a source's root should be."""
    if why := unusable(probe_root(source.path)):
        return why
    return source.reason if source.status is SourceStatus.OFFLINE else ""


def _is_gone(document: Document, source: Source) -> bool:
    try:
        os.lstat(os.path.join(source.path, document.path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def changed_since(document: Document, source: Source) -> bool:
    """Whether the file is not what was last read; a file that cannot be seen is not changed."""
    try:
        found = os.stat(os.path.join(source.path, document.path))  # noqa: PTH116 - bytes
    except OSError:
        return False
    size = SEALED if document.size == SEALED else found.st_size
    now = (found.st_dev, found.st_ino, size, found.st_mtime_ns, found.st_ctime_ns)
    return now != document.fingerprint


def of_path(
    path: bytes,
    source: Source,
    rules: Rules,
    *,
    running: bool,
    file_bytes: int = DEFAULT_MAX_FILE_BYTES,
) -> Verdict:
    """The verdict about a path in a source that the table does not have.

    Args:
        path: relative to the source.
        source: its source.
        rules: the source's rules.
        running: whether a daemon works.
        file_bytes: larger files are skipped.
    """
    full = os.path.join(source.path, path) if path else source.path
    if why := _away(source):
        following = "nothing is concluded from what is not there; each scan looks again"
        return Verdict("offline", f"its source is offline: {why}", next=following)
    try:
        if link := _link_on_the_way(source.path, path):
            reason = f"{text_of(link)} is a link to a folder; those are not followed"
            return Verdict("link", reason, next="nothing")
        found = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return Verdict("absent", "there is no such file, and none is known", next="nothing")
    except OSError as error:
        why = error.strerror or str(error)
        return Verdict("unreadable", why, next="each scan looks again")
    excluded = _excluded(path, rules, is_dir=stat.S_ISDIR(found.st_mode))
    return excluded or _of_kind(found, path, source, rules, running=running, most=file_bytes)


def _excluded(path: bytes, rules: Rules, *, is_dir: bool) -> Verdict | None:
    """The verdict about what the rules leave out; None for what they take."""
    decision = rules.decide(path, is_dir=is_dir)
    if decision.taken:
        return None
    if decision.reason == UNREADABLE:
        reason = "the rules cannot be read, so nobody can say"
        return Verdict("unreadable", reason, decision.rule, "each scan looks again")
    reason = decision.reason + _excluded_folder(path, rules)
    return Verdict("excluded", reason, decision.rule, "nothing, while this rule stands")


def _excluded_folder(path: bytes, rules: Rules) -> str:
    """Which folder on the way down is left out, and all that is in it; empty for none."""
    for _, at in steps(path.rpartition(b"/")[0]):
        if not rules.decide(at, is_dir=True).taken:
            return f": the folder {text_of(at)} is left out with all that is in it"
    return ""


def _of_kind(
    found: os.stat_result, path: bytes, source: Source, rules: Rules, *, running: bool, most: int
) -> Verdict:
    """The verdict about what the rules take, by what it is."""
    mode = found.st_mode
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
    if stat.S_ISREG(mode) and found.st_size > most:
        sizes = f"{output.size(found.st_size)}, over {output.size(most)} (`limits.file_bytes`)"
        reason = f"it was not seen yet, and is too big: {sizes}"
        return Verdict("unseen", reason, next="it will be skipped")
    return _unseen(rules.decide(path), source, running=running)


def _unseen(decision: Decision, source: Source, *, running: bool) -> Verdict:
    """The verdict about a file that is taken."""
    if decision.reason == SECRET:
        reason = "it was not seen yet, and holds credentials by its name"
        return Verdict("unseen", reason, decision.rule, "it will be listed, and not opened")
    return Verdict("unseen", "it was not seen yet", next=_soon(source, running=running))


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
    if decision.taken and not decision.reason:
        return ""
    return f"a link to a file that is left out: {decision.rule}"


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
    if document.status is DocumentStatus.SKIPPED and (answer := _taken_up_by(document)):
        return f"nothing, until it changes; {answer}"
    if document.status in {DocumentStatus.INDEXED, DocumentStatus.SKIPPED}:
        return "nothing, until the file changes"
    if document.status is DocumentStatus.DEAD:
        return "nothing, until the file changes; `ingestd retry` tries again"
    if not running:
        return "no daemon runs: `ingestd run` or `ingestd reindex` takes it up"
    return _turn(document, now=now)


def _turn(document: Document, *, now: float) -> str:
    """When the daemon takes up what waits."""
    if document.retry_at is not None and document.retry_at > now:
        return f"the next try is in {output.ago(document.retry_at - now)}"
    if document.reason == scans.LATER:
        return "the daemon reads its pictures of text when nothing else is to do"
    return "the daemon takes it up as soon as its turn comes"


def _taken_up_by(document: Document) -> str:
    """What has a skipped document read; empty where nothing does."""
    if document.reason.startswith(SECRET):
        name = text_of(document.path.rpartition(b"/")[2])
        return f'`extract.secret_rules = ["!{name}"]` takes it up'
    if scans.lacking(document.reason):
        return f"`{scans.HOW}` have it read at the next start"
    if extra := missing_extra(document.reason):
        return f'`pip install "ingestd[{extra}]"` has it read at the next start'
    return ""


def _soon(source: Source, *, running: bool) -> str:
    if not running:
        return "no daemon runs: `ingestd run` or `ingestd reindex` takes it up"
    if source.watching.startswith("polling"):
        return f"the daemon takes it up at the next scan of its source ({source.watching})"
    return "the daemon takes it up within seconds, or at the next scan at the latest"
