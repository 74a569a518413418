"""Reading a document: whatever lies there, or changes meanwhile, has an outcome."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed import model
from ingestd.embed.chunk import Chunker
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.prepare import PATIENCE, RACY_S, Preparer
from ingestd.embed.prepared import NOWHERE, Outcome, Prepared
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch, End, Head, StoppedError
from ingestd.embed.secrets.care import Care
from ingestd.embed.spool import LONG_CHARACTERS, LONG_CHUNKS, Spool
from ingestd.embed.tokenize import open_tokenizer
from ingestd.errors import (
    ChangedWhileReadError,
    DiskFullError,
    ExtractionError,
    IngestdError,
    UnreadableError,
)
from ingestd.ports import Chunk, Fingerprint, Source
from ingestd_state.documents import Document
from ingestd_state.status import DocumentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ingestd.embed.reading.parts import Part

PIPELINE = "p1"
LIMIT = 10_000
DEFAULTS: dict[str, Any] = {
    "id": "d",
    "source_id": 1,
    "status": DocumentStatus.WORKING,
    "digest": None,
    "pipeline": None,
    "chunk_count": 0,
    "forced": False,
    "relabel": False,
    "attempts": 0,
    "mime": "",
    "reason": "",
}


def document(path: str | bytes, **columns: Any) -> Document:
    """A document in hand, of which nothing is indexed."""
    nothing = {field.name: None for field in fields(Document)}
    return Document(**{**nothing, **DEFAULTS, "path": os.fsencode(path), **columns})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def prepare(root: Path) -> Callable[..., Prepared]:
    """Prepares the document at a path, with columns as given; ``now`` is the clock."""
    chunker = Chunker(open_tokenizer(model.locate("hash")))
    source = Source(1, "docs", os.fsencode(root), "ingestd")

    def prepare(path: str | bytes = "a.md", *, now: float = 4e9, **columns: Any) -> Prepared:
        preparer = Preparer(Cutter(chunker), PIPELINE, file_bytes=LIMIT, clock=lambda: now)
        return preparer.prepare(document(path, **columns), source)

    return prepare


def write(root: Path, text: str = "# Title\n\nSome words.\n", name: str = "a.md") -> dict[str, Any]:
    """Write a file; the columns of its document when it is indexed."""
    (root / name).write_text(text)
    return {
        "digest": hashlib.sha256(text.encode()).digest(),
        "pipeline": PIPELINE,
        "chunk_count": 1,
        "mime": "text/markdown",
    }


def at_stat(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    number: int,
    act: Callable[[], object],
    *,
    late: bool = False,
) -> None:
    """Do something just before (late: after) an open file is looked at for the n-th time."""
    fstat, seen = os.fstat, []

    def watching(fd: int) -> os.stat_result:
        found = fstat(fd)
        if Path(f"/proc/self/fd/{fd}").readlink() == path:
            seen.append(fd)
            if len(seen) == number:
                act()
                return found if late else fstat(fd)
        return found

    monkeypatch.setattr(os, "fstat", watching)


def test_a_file_becomes_chunks(root: Path, prepare: Callable[..., Prepared]) -> None:
    """Text, title, digest of the bytes, and the fingerprint as of the read."""
    write(root)
    found = prepare()
    assert found.outcome is Outcome.CONTENT
    assert (found.title, found.mime, len(found.chunks)) == ("Title", "text/markdown", 1)
    assert found.digest == hashlib.sha256((root / "a.md").read_bytes()).digest()
    assert found.fingerprint == Fingerprint.of((root / "a.md").stat())
    assert found.recheck_at is None


def test_a_name_that_is_not_utf8_is_read(root: Path, prepare: Callable[..., Prepared]) -> None:
    """Paths are bytes."""
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.md")).write_text("words")
    assert prepare(b"\xff.md").outcome is Outcome.CONTENT


def test_the_same_bytes_are_the_same(root: Path, prepare: Callable[..., Prepared]) -> None:
    """A touched file is neither extracted nor embedded."""
    found = prepare(**write(root))
    assert found.outcome is Outcome.SAME
    assert found.chunks == []
    assert found.fingerprint != NOWHERE


@pytest.mark.parametrize(
    "columns",
    [
        {"digest": b"x" * 32},
        {"digest": None},
        {"pipeline": "p0"},
        {"pipeline": None},
        {"forced": True},
        {"chunk_count": 0},
    ],
)
def test_the_same_bytes_are_not_always_the_same(
    root: Path, prepare: Callable[..., Prepared], columns: dict[str, Any]
) -> None:
    """Other bytes or an unknown state, another pipeline, a wish, or nothing that is indexed."""
    assert prepare(**{**write(root), **columns}).outcome is Outcome.CONTENT


@pytest.mark.parametrize(
    ("path", "mime", "outcome"),
    [
        ("b.md", "text/markdown", Outcome.SAME),
        ("b.markdown", "text/markdown", Outcome.SAME),
        ("b.txt", "text/markdown", Outcome.CONTENT),
        ("b.md", "text/plain", Outcome.CONTENT),
        ("no-suffix", "text/markdown", Outcome.CONTENT),
        ("b.pdf", "text/markdown", Outcome.CONTENT),
        ("b.png", "text/markdown", Outcome.SKIPPED),
    ],
)
def test_a_new_name_may_mean_another_format(
    root: Path, prepare: Callable[..., Prepared], path: str, mime: str, outcome: Outcome
) -> None:
    """A moved file is the same only when its new name says that it is read as before."""
    known = write(root, name=path)
    assert prepare(path, **{**known, "mime": mime, "relabel": True}).outcome is outcome


def test_a_file_without_text_is_skipped(root: Path, prepare: Callable[..., Prepared]) -> None:
    """Empty, blank and binary files have a reason, and a digest where they were read."""
    for content, reason in ((b"", "no text"), (b" \n\t\n", "no text"), (b"\x00\x01", "binary")):
        (root / "a.md").write_bytes(content)
        found = prepare()
        assert (found.outcome, found.chunks) == (Outcome.SKIPPED, [])
        assert found.reason.startswith(reason)
        assert found.digest == hashlib.sha256(content).digest()


def test_a_skipped_file_that_was_touched_keeps_its_reason(
    root: Path, prepare: Callable[..., Prepared]
) -> None:
    """Its reason was cleared when it seemed to change; it is found again."""
    known = write(root, "")
    found = prepare(**{**known, "chunk_count": 0, "reason": ""})
    assert (found.outcome, found.reason) == (Outcome.SKIPPED, "no text")


def test_a_file_that_is_too_big_is_skipped_unread(
    root: Path, prepare: Callable[..., Prepared]
) -> None:
    """Its size is enough; one byte less is read."""
    write(root, "x" * (LIMIT + 1))
    found = prepare()
    assert (found.outcome, found.digest) == (Outcome.SKIPPED, b"")
    assert found.reason.startswith("too big")
    write(root, "x" * LIMIT)
    assert prepare().outcome is Outcome.CONTENT


def test_a_file_that_grows_too_big_while_it_is_read_is_skipped(
    root: Path, prepare: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never is a part of a file taken for the whole, however often it changed before."""
    write(root)
    at_stat(monkeypatch, root / "a.md", 2, lambda: write(root, "words " * LIMIT), late=True)
    found = prepare(attempts=PATIENCE)
    assert found.outcome is Outcome.SKIPPED
    assert found.reason.startswith("too big")


@pytest.mark.parametrize("path", ["nothing.md", "no/folder/a.md", "a.md/b.md"])
def test_a_file_that_vanished_is_gone(
    root: Path, prepare: Callable[..., Prepared], path: str
) -> None:
    """Gone is no failure: whether it was deleted is decided elsewhere."""
    write(root)
    assert prepare(path).outcome is Outcome.GONE


@pytest.mark.timeout(10)
def test_what_is_no_file_is_gone(root: Path, prepare: Callable[..., Prepared]) -> None:
    """A pipe without a writer, a socket or a directory in the place of a file: nobody waits."""
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        for name in ("pipe", "folder", "socket"):
            assert prepare(name).outcome is Outcome.GONE


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the root, whose name begins like it."""
    path = tmp_path / "root-of-another"
    path.mkdir()
    (path / "a.md").write_text("not ours")
    return path


def test_a_link_out_of_the_root_is_gone(
    root: Path, outside: Path, prepare: Callable[..., Prepared]
) -> None:
    """Also through a directory on the way that became a link after the scan saw it."""
    (root / "link.md").symlink_to(outside / "a.md")
    (root / "folder").symlink_to(outside)
    (root / "loop.md").symlink_to("loop.md")
    (root / "dangling.md").symlink_to("nothing.md")
    for name in ("link.md", "folder/a.md", "dangling.md"):
        assert prepare(name).outcome is Outcome.GONE
    assert prepare("loop.md").outcome in (Outcome.GONE, Outcome.FAILED)


def test_a_link_within_the_root_is_read(root: Path, prepare: Callable[..., Prepared]) -> None:
    """It has the fingerprint of its target."""
    write(root)
    (root / "link.md").symlink_to("a.md")
    found = prepare("link.md")
    assert found.outcome is Outcome.CONTENT
    assert found.fingerprint == Fingerprint.of((root / "a.md").stat())


def test_a_root_that_is_a_link_is_no_way_out(
    root: Path, tmp_path: Path, prepare: Callable[..., Prepared]
) -> None:
    """The root may be reached through a link, and hold links."""
    write(root)
    (root / "link.md").symlink_to("a.md")
    (tmp_path / "moved").symlink_to(root)
    chunker = Chunker(open_tokenizer(model.locate("hash")))
    source = Source(1, "docs", os.fsencode(tmp_path / "moved"), "ingestd")
    preparer = Preparer(Cutter(chunker), PIPELINE, file_bytes=LIMIT)
    assert preparer.prepare(document("link.md"), source).outcome is Outcome.CONTENT


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "I/O error")]
)
def test_a_file_that_cannot_be_read_is_a_failure(
    root: Path,
    prepare: Callable[..., Prepared],
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
) -> None:
    """Permission and I/O errors are failures of the document, with a reason; nothing is gone."""
    write(root)

    def refuse(path: Any, *_: Any) -> int:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    found = prepare()
    assert found.outcome is Outcome.FAILED
    assert isinstance(found.error, UnreadableError)
    assert str(error.strerror) in str(found.error)
    assert found.fingerprint == Fingerprint.of((root / "a.md").stat())


def test_a_file_that_changes_while_it_is_read_is_busy(
    root: Path, prepare: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is thrown away: it may be half old and half new."""
    write(root)
    at_stat(monkeypatch, root / "a.md", 3, lambda: write(root, "other words"))
    found = prepare()
    assert (found.outcome, found.chunks) == (Outcome.BUSY, [])
    assert isinstance(found.error, ChangedWhileReadError)


def test_a_file_that_never_rests_is_taken_in_the_end(
    root: Path, prepare: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some attempts the last read counts, with the fingerprint of before: still dirty."""
    write(root)
    before = Fingerprint.of((root / "a.md").stat())
    at_stat(monkeypatch, root / "a.md", 3, lambda: write(root, "other words"))
    found = prepare(attempts=PATIENCE)
    assert found.outcome is Outcome.CONTENT
    assert found.fingerprint == before
    assert found.fingerprint != Fingerprint.of((root / "a.md").stat())


@pytest.mark.parametrize(
    ("age_s", "recheck"),
    [(0.0, True), (1.9, True), (2.1, False), (-1.9, True), (-100.0, False), (3e6, False)],
)
def test_a_fresh_file_is_looked_at_again(
    root: Path, prepare: Callable[..., Prepared], age_s: float, *, recheck: bool
) -> None:
    """Git's racy rule: within 2 s of the read a second write may keep the times."""
    known = write(root)
    os.utime(root / "a.md", (1e9, 1e9))
    assert (prepare(now=1e9 + age_s).recheck_at is not None) is recheck
    assert (prepare(now=1e9 + age_s, **known).recheck_at is not None) is recheck
    write(root, "")
    os.utime(root / "a.md", (1e9, 1e9))
    found = prepare(now=1e9 + age_s)
    assert (found.outcome, found.recheck_at is not None) == (Outcome.SKIPPED, recheck)


def test_whatever_a_parser_does_is_a_failure_of_the_document(
    root: Path, prepare: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody foresaw ends one document, not the job."""
    write(root)

    def explode(*_: Any) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("ingestd.embed.reading.contents.extract", explode)
    found = prepare()
    assert found.outcome is Outcome.FAILED
    assert isinstance(found.error, ExtractionError)
    assert "RecursionError: too deep" in str(found.error)


def test_no_descriptor_is_left_open(root: Path, prepare: Callable[..., Prepared]) -> None:
    """After every outcome, as many files are open as before."""
    write(root, "x" * (LIMIT + 1), "big.md")
    write(root)
    os.mkfifo(root / "pipe")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    for path in ("a.md", "big.md", "pipe", "nothing"):
        prepare(path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


@pytest.mark.parametrize(
    ("age_s", "recheck"), [(-3.0, False), (-1.0, True), (0.0, True), (1.9, True), (2.1, False)]
)
def test_an_edit_whose_mtime_was_put_back_is_fresh(
    root: Path, prepare: Callable[..., Prepared], age_s: float, *, recheck: bool
) -> None:
    """A second such edit within the same clock tick would show in no time of the file."""
    (root / "a.md").write_text("text")
    os.utime(root / "a.md", (1e9, 1e9))
    now = (root / "a.md").stat().st_ctime + age_s
    assert prepare(now=now).recheck_at == (now + RACY_S if recheck else None)


class Scripted:
    """A cutter that gives what it was told, whatever is in the file."""

    def __init__(self, *parts: Part | Callable[[], object]) -> None:
        self._parts = parts

    def cut(
        self, fd: int, name: bytes, size: int, *, guard: bool = True
    ) -> Generator[Part, None, None]:
        """The parts; what can be called is called in between."""
        for part in self._parts:
            if callable(part):
                part()
            else:
                yield part


def batch(first: int, count: int, *, length: int = 4) -> Batch:
    """Some chunks."""
    numbers = range(first, first + count)
    return Batch([Chunk(n, n, n + length, "x" * length, "", (), b"%32d" % n) for n in numbers])


HEAD = Head("Title", "text/markdown")


@pytest.fixture
def scripted(root: Path, tmp_path: Path) -> Callable[..., Any]:
    """Makes a preparer with a scripted cutter, and prepares a file with it."""
    source = Source(1, "docs", os.fsencode(root), "ingestd")

    def make(*parts: Any, **columns: Any) -> Any:
        preparer = Preparer(
            Scripted(*parts), PIPELINE, file_bytes=LIMIT, spools=lambda: Spool(tmp_path / "spool")
        )
        return preparer, lambda: preparer.prepare(document("a.md", **columns), source)

    return make


def test_a_long_document_goes_to_the_disk(
    root: Path, tmp_path: Path, scripted: Callable[..., Any]
) -> None:
    """With more than so many chunks, or so much text, it is in a spool, in order and whole."""
    digest = write(root)["digest"]
    for batches in (
        [batch(0, LONG_CHUNKS), batch(LONG_CHUNKS, 5)],
        [batch(0, 1), batch(1, 1, length=LONG_CHARACTERS), batch(2, 1)],
    ):
        _, prepare = scripted(HEAD, *batches, End(digest))
        found = prepare()
        expected = [chunk for one in batches for chunk in one.chunks]
        assert (found.outcome, found.chunks) == (Outcome.CONTENT, [])
        assert found.chunk_total == len(expected)
        assert [chunk for page in found.spool.pages() for chunk in page] == expected
        found.discard()
        assert os.listdir(tmp_path / "spool") == []  # noqa: PTH208 - names


def test_a_document_of_just_that_many_chunks_stays_in_memory(
    root: Path, scripted: Callable[..., Any]
) -> None:
    """The bound is inclusive."""
    _, prepare = scripted(HEAD, batch(0, LONG_CHUNKS), End(write(root)["digest"]))
    found = prepare()
    assert (found.spool, found.chunk_total) == (None, LONG_CHUNKS)


def test_a_stop_breaks_off_a_long_document_only(
    root: Path, tmp_path: Path, scripted: Callable[..., Any]
) -> None:
    """A short one is finished; of a long one nothing is left on the disk."""
    digest = write(root)["digest"]
    preparer, prepare = scripted(HEAD, batch(0, 5), End(digest))
    preparer.stop()
    assert prepare().outcome is Outcome.CONTENT
    made: list[Preparer] = []

    def stop() -> None:
        made[0].stop()

    preparer, prepare = scripted(
        HEAD, batch(0, LONG_CHUNKS + 1), stop, batch(2_000, 5), End(digest)
    )
    made.append(preparer)
    with pytest.raises(StoppedError):
        prepare()
    assert os.listdir(tmp_path / "spool") == []  # noqa: PTH208 - names


@pytest.mark.parametrize("error", [ExtractionError("broken"), SkipDocument("binary")])
def test_a_long_document_that_fails_leaves_nothing(
    root: Path, tmp_path: Path, scripted: Callable[..., Any], error: Exception
) -> None:
    """Failed or skipped in the end: its chunks are forgotten."""
    write(root)

    def fail() -> None:
        raise error

    _, prepare = scripted(HEAD, batch(0, LONG_CHUNKS + 1), fail)
    found = prepare()
    assert found.outcome in {Outcome.FAILED, Outcome.SKIPPED}
    assert (found.chunks, found.spool) == ([], None)
    assert os.listdir(tmp_path / "spool") == []  # noqa: PTH208 - names


@pytest.mark.parametrize(
    "error", [DiskFullError("full"), OSError(28, "No space left"), MemoryError()]
)
def test_what_hinders_the_job_is_no_failure_of_a_document(
    root: Path, scripted: Callable[..., Any], error: Exception
) -> None:
    """It is raised: whoever drains waits, and the document keeps its attempts."""
    write(root)

    def fail() -> None:
        raise error

    _, prepare = scripted(HEAD, fail)
    with pytest.raises((IngestdError, OSError, MemoryError)) as raised:
        prepare()
    assert raised.value is error


def test_a_change_that_shows_in_no_time_is_noticed(
    root: Path, scripted: Callable[..., Any]
) -> None:
    """What was cut has another digest than what was read first: it is read again."""
    write(root)
    _, prepare = scripted(HEAD, batch(0, 1), End(b"x" * 32))
    found = prepare()
    assert (found.outcome, found.chunk_total) == (Outcome.BUSY, 0)
    assert isinstance(found.error, ChangedWhileReadError)


def test_what_was_cut_is_what_counts(root: Path, scripted: Callable[..., Any]) -> None:
    """When a file never rests, its digest is that of the bytes that the chunks are of."""
    write(root)
    _, prepare = scripted(HEAD, batch(0, 1), End(b"x" * 32), attempts=PATIENCE)
    found = prepare()
    assert (found.outcome, found.digest) == (Outcome.CONTENT, b"x" * 32)


@pytest.mark.parametrize("error", [ExtractionError("broken"), SkipDocument("undecodable")])
def test_a_failure_of_a_file_that_changed_is_no_failure(
    root: Path, scripted: Callable[..., Any], error: Exception
) -> None:
    """Half old and half new, anything may seem wrong with it."""
    write(root)

    def change() -> None:
        write(root, "other words")
        raise error

    _, prepare = scripted(HEAD, change)
    assert prepare().outcome is Outcome.BUSY
    _, prepare = scripted(HEAD, change, attempts=PATIENCE)
    assert prepare().outcome in {Outcome.FAILED, Outcome.SKIPPED}


def test_an_unchanged_file_is_not_cut(root: Path, scripted: Callable[..., Any]) -> None:
    """Whatever can be told without the extractor is: it need not even run."""

    def never() -> None:
        raise AssertionError

    _, prepare = scripted(never, **write(root))
    assert prepare().outcome is Outcome.SAME


def test_a_sealed_file_is_never_opened(tmp_path: Path) -> None:
    """It is skipped with the rule that says so, and with a key of its own."""
    (tmp_path / ".env").write_text("PASSWORD=1", "utf-8")
    asked: list[bytes] = []

    def care_of(_source: Source, path: bytes) -> Care:
        asked.append(path)
        return Care(sealed=".env (built-in)")

    preparer = Preparer(Scripted(pytest.fail), PIPELINE, file_bytes=LIMIT, care_of=care_of)
    source = Source(1, "docs", os.fsencode(tmp_path), "c")
    (tmp_path / ".env").chmod(0)
    found = preparer.prepare(document(b".env"), source)
    assert (found.outcome, found.digest) == (Outcome.SKIPPED, b"")
    assert found.reason == "secret: by its name, .env (built-in)"
    assert found.fingerprint == Fingerprint.of((tmp_path / ".env").stat()).sealed()
    assert preparer.prepare(document(b"gone"), source).outcome is Outcome.GONE
    assert asked == [b".env", b"gone"]
