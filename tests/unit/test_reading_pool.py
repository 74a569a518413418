"""The extraction child: what a hostile file does in it costs one attempt, and nothing else."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed import model
from ingestd.embed.chunk import Chunker
from ingestd.embed.cutting import Cutting
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading import process
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch, ExtractorError, StarvedError, StoppedError
from ingestd.embed.reading.pool import Pool
from ingestd.embed.tokenize import open_tokenizer
from ingestd.errors import ExtractionError, ModelMissingError, UnreadableError
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingestd.embed.reading.parts import Part

MIB = 1024**2
SPEC = model.locate("hash")
CUTTING = Cutting(SPEC.max_tokens)
SETTINGS = ExtractSettings(memory_bytes=256 * MIB, timeout_s=30)
WAIT_S = 60.0
TOKEN = "gh" + "p_" + "R7vTq2LmXz9KbWc4JdYh8NsPfGa3QeUo6iSt"

HOSTILE = """
import ctypes, os, signal, socket, sys, time
from ingestd.embed.extract import plain
from ingestd.embed.reading import child

real = plain.extract

def extract(text):
    order = text.strip()
    if order == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "abort":
        os.abort()
    if order == "exit":
        os._exit(3)
    if order == "crash":
        ctypes.string_at(0)
    if order == "loop":
        while True:
            pass
    if order == "sleep":
        time.sleep(1000)
    if order == "eat":
        held = [bytearray(1 << 20) for _ in range(1 << 20)]
    if order == "deep":
        return extract(text)
    if order == "grow":
        global kept
        kept = bytearray(100 << 20)
    if order == "write":
        with open("/tmp/never", "wb") as file:
            file.write(b"x")
    if order == "socket":
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
    if order == "read":
        open("/etc/passwd").read()
    if order == "remove":
        os.unlink("/tmp/ingestd-keep-me")
    if order == "fork":
        os.fork()
    if order == "exec":
        os.execv("/bin/true", ["true"])
    if order == "murder":
        os.kill(os.getppid(), 0)
    if order == "interfaces":
        raise ValueError(" ".join(sorted(name for _, name in socket.if_nameindex())))
    if order == "talk":
        os.write(int(sys.argv[1]), b"\\xff" * 10)
    if order == "print":
        print("noise")
        print("noise", file=sys.stderr, flush=True)
    return real(text)

plain.extract = extract
child.main()
"""


@pytest.fixture
def pools() -> Iterator[Callable[..., Pool]]:
    """Makes pools; ends them, and sees that nothing is left."""
    made: list[Pool] = []

    def make(
        settings: ExtractSettings = SETTINGS, *, spec: Any = SPEC, hostile: bool = False
    ) -> Pool:
        program = ("-P", "-c", HOSTILE) if hostile else process.PROGRAM
        made.append(Pool(spec, Cutting(spec.max_tokens), settings, program=program))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
        assert pool.pid is None


@pytest.fixture
def cut(tmp_path: Path) -> Callable[..., list[Part]]:
    """Has a pool cut some bytes."""

    def cut(pool: Any, data: bytes | str, name: bytes = b"a.txt") -> list[Part]:
        path = tmp_path / "file"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        fd = os.open(path, os.O_RDONLY)
        try:
            return list(pool.cut(fd, name, path.stat().st_size))
        finally:
            os.close(fd)

    return cut


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("name", [b"a.md", b"a.txt", b"a.rst", b"a.py", b"a.html", b"\xff.md"])
def test_the_child_gives_what_the_same_code_gives_here(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]], name: bytes
) -> None:
    """Chunk by chunk, digests included, for short and long files."""
    here = Cutter(Chunker(open_tokenizer(SPEC)))
    pool = pools()
    for number in (1, 2_000, 40_000):
        text = "# Title\n\nSome words 한글.\n\n## Part\n\n" + "More of them, again.\n\n" * number
        assert cut(pool, text, name) == cut(here, text, name)
    assert pool.recycled == 0


@pytest.mark.parametrize(
    ("text", "encoding"), [("Über den Äpfeln.\n\n", "cp1252"), ("문서를 읽는다.\n\n", "johab")]
)
def test_the_child_tells_encodings(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]], text: str, encoding: str
) -> None:
    """What it guesses with is within its walls; a file of any length is read the same."""
    pool = pools()
    for number in (1, 100_000):
        batches = [p for p in cut(pool, (text * number).encode(encoding)) if isinstance(p, Batch)]
        assert batches[0].chunks[0].text.startswith(text.strip())


def test_a_child_is_started_when_it_is_needed(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """And kept for the next document."""
    pool = pools()
    assert pool.pid is None
    cut(pool, "words")
    first = pool.pid
    assert first is not None
    cut(pool, "words")
    assert pool.pid == first
    assert pool.peak_bytes > MIB


def test_a_file_that_is_skipped_keeps_the_child(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """Binary and empty files are no failures."""
    pool = pools()
    for data, reason in ((b"\0\1", "binary"), (b" ", "no text")):
        with pytest.raises(SkipDocument) as skipped:
            cut(pool, data)
        assert skipped.value.reason == reason
    assert pool.recycled == 0


@pytest.mark.parametrize(
    ("order", "error", "text"),
    [
        ("die", ExtractionError, "was ended by SIGKILL"),
        ("abort", ExtractionError, "was ended by SIGABRT"),
        ("crash", ExtractionError, "was ended by SIGSEGV"),
        ("exit", ExtractionError, "ended with status 3"),
        ("talk", ExtractionError, "gives no sense"),
        ("eat", StarvedError, "more memory than extraction may take"),
    ],
)
def test_what_a_file_does_to_the_child_costs_one_attempt(
    pools: Callable[..., Pool],
    cut: Callable[..., list[Part]],
    order: str,
    error: type[Exception],
    text: str,
) -> None:
    """The next document gets a fresh child; no process and no descriptor is left behind."""
    pool = pools(hostile=True)
    cut(pool, "words")
    pid = pool.pid
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    with pytest.raises(error, match=text):
        cut(pool, order)
    assert len(cut(pool, "words")) == 3
    assert pool.recycled == 1
    assert pool.pid != pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


@pytest.mark.parametrize(
    "order", ["deep", "write", "remove", "read", "socket", "fork", "exec", "murder"]
)
def test_an_exception_of_a_parser_keeps_the_child(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]], order: str
) -> None:
    """Its name and text are told; what only the sandbox denies, it cannot have.

    No file can be written, removed or read by its name, nobody can be talked to, and no process can
    be started or signalled.
    """
    keep = Path("/tmp/ingestd-keep-me")
    keep.touch()
    pool = pools(hostile=True)
    with pytest.raises((ExtractionError, UnreadableError)) as failed:
        cut(pool, order)
    assert failed.value.message.startswith(("RecursionError", "its reader asks"))
    assert pool.recycled == 0
    assert not Path("/tmp/never").exists() or not Path("/tmp/never").stat().st_size
    Path("/tmp/never").unlink(missing_ok=True)
    keep.unlink()


def test_the_sandbox_can_be_left_out(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """Where a reader of one's own needs a file; limits and secrets stay."""
    pool = pools(ExtractSettings(sandbox="off"), hostile=True)
    assert len(cut(pool, "read")) == 3
    assert len(cut(pool, "murder")) == 3
    with pytest.raises(UnreadableError, match="File too large"):
        cut(pool, "write")
    Path("/tmp/never").unlink(missing_ok=True)


def test_a_secret_is_found_in_the_child(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """The file is skipped and says where, unless it need not be searched."""
    pool = pools()
    text = "words " * 400_000 + f"\n\n{TOKEN}\n\n" + "words " * 1_000
    with pytest.raises(SkipDocument) as skipped:
        cut(pool, text)
    assert str(skipped.value) == "secret: GitHub token at character 2,400,002"
    assert TOKEN not in repr(skipped.value)
    fd = os.memfd_create("data")
    os.write(fd, TOKEN.encode())
    assert len(list(pool.cut(fd, b"a.txt", len(TOKEN), guard=False))) == 3
    assert pool.recycled == 0
    os.close(fd)


def test_a_parser_without_end_runs_out_of_time(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """Of the processor where it computes, on the clock where it sleeps."""
    pool = pools(ExtractSettings(timeout_s=0.2), hostile=True)
    cut(pool, "words")
    with pytest.raises(ExtractionError) as failed:
        cut(pool, "sleep")
    assert "no sign of life" in failed.value.message
    assert "timeout_s" in failed.value.hint
    pool = pools(ExtractSettings(timeout_s=1), hostile=True)
    with pytest.raises(ExtractionError) as failed:
        cut(pool, "loop")
    assert "timeout_s" in failed.value.hint
    assert len(cut(pool, "words")) == 3


def test_a_tokenizer_behind_links_is_read(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]], tmp_path: Path
) -> None:
    """As in the cache of a hub, where every file of a model is a link out of its folder."""
    spec = model.locate("")
    blobs, place = tmp_path / "blobs", tmp_path / "models" / "one"
    blobs.mkdir()
    place.mkdir(parents=True)
    for file in spec.path.rglob("*.json"):
        name = file.relative_to(spec.path)
        blob = blobs / str(name).replace("/", "-")
        blob.write_bytes(file.read_bytes())
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).symlink_to(blob)
    pool = pools(spec=replace(spec, path=place))
    assert len(cut(pool, "words")) == 3


def test_what_a_parser_prints_is_not_seen(
    pools: Callable[..., Pool],
    cut: Callable[..., list[Part]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither in the daemon's output nor in the answer."""
    assert len(cut(pools(hostile=True), "print")) == 3
    found = capfd.readouterr()
    assert "noise" not in found.out + found.err


def test_a_child_is_recycled_after_so_many_documents(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """What parsers leak goes with it."""
    pool = pools(ExtractSettings(recycle_documents=2))
    pids = set()
    for _ in range(5):
        cut(pool, "words")
        pids.add(pool.pid)
    assert pool.recycled == 2
    assert len(pids - {None}) == 3


def test_a_child_that_grew_is_recycled(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """After the document that made it grow, where that was a large one."""
    pool = pools(ExtractSettings(recycle_bytes=90 * MIB), hostile=True)
    for _ in range(3):
        cut(pool, "words")
    assert pool.recycled == 0
    cut(pool, "grow" + " " * 300_000)
    assert pool.recycled == 1
    assert pool.pid is None
    assert pool.peak_bytes > 90 * MIB


def test_a_child_that_died_idle_costs_no_document(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """When the machine is short of memory, the child is the first to go."""
    pool = pools()
    cut(pool, "words")
    assert pool.pid is not None
    assert Path(f"/proc/{pool.pid}/oom_score_adj").read_text().strip() == "1000"
    os.kill(pool.pid, signal.SIGKILL)
    until(lambda: pool.pid is None)
    assert len(cut(pool, "words")) == 3
    assert pool.recycled == 1


def test_a_child_can_be_recycled_at_any_time(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """At once when it is idle, else when the document in hand is done."""
    pool = pools()
    pool.recycle()  # there is none
    assert pool.recycled == 0
    cut(pool, "words")
    pool.recycle()
    assert (pool.pid, pool.recycled) == (None, 1)
    fd = os.memfd_create("data")
    os.write(fd, b"words " * 500_000)
    parts = pool.cut(fd, b"a.txt", 3_000_000)
    next(parts)
    pid = pool.pid
    pool.recycle()
    assert pool.pid == pid
    assert len(list(parts)) > 3
    assert (pool.pid, pool.recycled) == (None, 2)
    os.close(fd)


def test_small_windows_that_overlap_pass(cut: Callable[..., list[Part]]) -> None:
    """Also where most of the text is in many chunks."""
    chunker = Chunker(open_tokenizer(SPEC), size=100, overlap=95)
    pool = Pool(SPEC, Cutting(SPEC.max_tokens, 100, 95), SETTINGS)
    text = "some words of a text " * 500
    assert cut(pool, text) == cut(Cutter(chunker), text)
    pool.close()


def test_whoever_breaks_off_gets_a_fresh_child(pools: Callable[..., Pool]) -> None:
    """What is left of a document is never taken for the next one."""
    pool = pools()
    fd = os.memfd_create("data")
    os.write(fd, b"words " * 500_000)
    parts = pool.cut(fd, b"a.txt", 3_000_000)
    next(parts)
    parts.close()
    assert (pool.pid, pool.recycled) == (None, 1)
    assert len(list(pool.cut(fd, b"a.txt", 10))) == 3
    os.close(fd)


def test_closing_breaks_off_what_hangs(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """A stop never waits for a parser, and the document is not to blame."""
    pool = pools(hostile=True)
    cut(pool, "words")
    caught: list[Exception] = []
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        try:
            cut(pool, "sleep")
        except Exception as error:  # noqa: BLE001 - looked at below
            caught.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    until(begun.is_set)
    started = time.monotonic()
    pool.close()
    thread.join(WAIT_S)
    assert time.monotonic() - started < WAIT_S / 2
    assert [type(error) for error in caught] == [StoppedError]
    with pytest.raises(StoppedError):
        cut(pool, "words")
    pool.close()


def test_the_terminal_does_not_end_the_child(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """It has a session of its own, and leaves the signals of a stop to the daemon."""
    pool = pools()
    cut(pool, "words")
    assert pool.pid is not None
    assert os.getsid(pool.pid) != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pool.pid, number)
    assert len(cut(pool, "words")) == 3
    assert pool.recycled == 0


PARENT = """
import os, sys, time
from ingestd.settings.content import ExtractSettings
from ingestd.embed import model
from ingestd.embed.cutting import Cutting
from ingestd.embed.reading.pool import Pool
spec = model.locate("hash")
program = ("-P", "-c", sys.argv[1])
pool = Pool(spec, Cutting(256), ExtractSettings(), program=program)
fd = os.memfd_create("data")
os.write(fd, b"words")
list(pool.cut(fd, b"a.txt", 5))
print(pool.pid, flush=True)
os.pwrite(fd, b"loop ", 0)
list(pool.cut(fd, b"a.txt", 5))
"""


def test_a_child_ends_with_its_parent() -> None:
    """However the parent ends, and whatever the child is at."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, HOSTILE], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
        assert not gone(pid)
        parent.kill()
    until(lambda: gone(pid))


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_file_is_unreadable(
    pools: Callable[..., Pool], tmp_path: Path
) -> None:
    """Nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    fd = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(UnreadableError):
        list(pools().cut(fd, b"a.txt", 1_000))
    os.close(fd)


def test_a_file_that_shrank_gives_what_is_left(pools: Callable[..., Pool]) -> None:
    """Its digest tells that it is not what was asked for."""
    import hashlib

    fd = os.memfd_create("data")
    os.write(fd, b"words")
    parts = list(pools().cut(fd, b"a.txt", 5_000_000))
    assert parts[-1].digest == hashlib.sha256(b"words").digest()  # type: ignore[union-attr]
    os.close(fd)


def test_a_page_too_large_for_the_memory_fails_and_says_so(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """HTML is held whole: the bound is that of the configuration."""
    pool = pools(ExtractSettings(memory_bytes=64 * MIB))
    page = "<p>some words</p>\n" * 700_000
    with pytest.raises(StarvedError) as failed:
        cut(pool, page, b"a.html")
    assert "extract.memory_bytes" in failed.value.hint
    assert len(cut(pool, "<p>words", b"a.html")) == 3


def test_a_long_text_needs_little_memory(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """Where the format allows, the child holds a segment and not the file."""
    pool = pools(ExtractSettings(memory_bytes=64 * MIB))
    cut(pool, "words")
    before = pool.peak_bytes
    cut(pool, "some words 한글\n" * 400_000)
    assert pool.peak_bytes - before < 24 * MIB


def test_a_child_that_cannot_start_is_no_file_s_fault(cut: Callable[..., list[Part]]) -> None:
    """The error says so, and is not one of a document."""
    pool = Pool(SPEC, CUTTING, SETTINGS, program=("-c", "raise SystemExit(7)"))
    with pytest.raises(ExtractorError, match="ended with status 7 at its start"):
        cut(pool, "words")
    assert pool.pid is None


def test_a_damaged_tokenizer_is_the_model_s_fault(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]], tmp_path: Path
) -> None:
    """As it is where the tokenizer is opened in this process."""
    from dataclasses import replace

    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "modules.json").write_text(
        '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]'
    )
    spec = replace(SPEC, pooling="mean", path=tmp_path)
    with pytest.raises(ModelMissingError, match="cannot be read"):
        cut(pools(spec=spec), "words")


@pytest.mark.model
def test_the_tokens_of_the_real_model_are_counted(
    pools: Callable[..., Pool], cut: Callable[..., list[Part]]
) -> None:
    """Its tokenizer is opened in the child, and cuts as it does here."""
    spec = model.locate("")
    text = "# 제목\n\n문서를 읽고 조각으로 나눈다. The quick brown fox.\n" * 200
    here = Cutter(Chunker(open_tokenizer(spec)))
    assert cut(pools(spec=spec), text, b"a.md") == cut(here, text, b"a.md")
