"""The language between daemon and extraction child: what is sent arrives, nonsense is refused."""

from __future__ import annotations

import json
import os
import socket
import threading
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.messages import (
    PROGRESS,
    Received,
    error_message,
    messages,
    skip_message,
)
from ingestd.embed.reading.parts import Batch, End, Head, StarvedError
from ingestd.embed.reading.wire import MAX_FRAME_BYTES, Channel, EndedError, NonsenseError
from ingestd.errors import ExtractionError, UnreadableError
from ingestd.ports import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = {"head": ["Title", "text/plain"]}
DIGEST = "ab" * 32


@pytest.fixture
def channels() -> Iterator[tuple[Channel, Channel, socket.socket]]:
    """The daemon's side, the child's side, and the bare socket of the child's side."""
    ours, theirs = socket.socketpair()
    left, right = Channel(ours), Channel(theirs, descriptors=True)
    yield left, right, theirs
    left.close()
    right.close()


def chunk(ordinal: int, start: int, text: str, prefix: str = "", *headings: str) -> Chunk:
    """A chunk with its digest."""
    import hashlib

    embedded = f"{prefix}\n{text}" if prefix else text
    digest = hashlib.sha256(embedded.encode()).digest()
    return Chunk(ordinal, start, start + len(text), text, prefix, headings, digest)


def test_messages_arrive_in_order(channels: tuple[Channel, Channel, socket.socket]) -> None:
    """Also large ones, and any text."""
    left, right, _ = channels
    sent = [{"a": "한글 \U0001f600 \x00 \n"}, {"b": "x" * 500_000}, ["c"]]
    thread = threading.Thread(target=lambda: [left.send(message) for message in sent])
    thread.start()
    assert [right.receive(10.0) for _ in sent] == sent
    thread.join()


def test_a_descriptor_comes_with_its_message(
    channels: tuple[Channel, Channel, socket.socket],
) -> None:
    """It is another number for the same file."""
    left, right, _ = channels
    fd = os.memfd_create("data")
    os.write(fd, b"content")
    left.send({"a": 1}, fd)
    os.close(fd)
    assert right.receive(1.0) == {"a": 1}
    received = right.descriptor()
    assert os.pread(received, 100, 0) == b"content"
    os.close(received)
    with pytest.raises(NonsenseError):
        right.descriptor()


def test_the_daemon_takes_no_descriptors(
    channels: tuple[Channel, Channel, socket.socket],
) -> None:
    """A child cannot fill its table of open files."""
    left, right, _ = channels
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    fd = os.memfd_create("data")
    right.send({"a": 1}, fd)
    os.close(fd)
    assert left.receive(1.0) == {"a": 1}
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


def test_an_end_in_the_middle_of_a_message_is_an_end(
    channels: tuple[Channel, Channel, socket.socket],
) -> None:
    """Half a message is none."""
    left, right, bare = channels
    bare.sendall(b"\0\0\0\x10half")
    bare.shutdown(socket.SHUT_RDWR)
    with pytest.raises(EndedError):
        left.receive(1.0)
    with pytest.raises(EndedError):
        right.receive(1.0)


def test_sending_to_nobody_is_an_end(channels: tuple[Channel, Channel, socket.socket]) -> None:
    """No signal, no other error."""
    left, right, _ = channels
    right.close()
    with pytest.raises(EndedError):
        left.send({"a": 1})


def test_drops_do_not_make_a_wait_longer(
    channels: tuple[Channel, Channel, socket.socket],
) -> None:
    """The time is that of the whole message, however often a byte comes."""
    left, _, bare = channels
    bare.sendall(b"\0\0\0")
    with pytest.raises(TimeoutError):
        left.receive(0.05)


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\0\0\0\1{",
        b"\0\0\0\2\xff\xfe",
        (200_000).to_bytes(4, "big") + b"[" * 200_000,
    ],
)
def test_what_is_no_message_is_refused(
    channels: tuple[Channel, Channel, socket.socket], data: bytes
) -> None:
    """Too long, no JSON, no UTF-8, nested without end: nothing is believed, little is held."""
    left, _, bare = channels
    thread = threading.Thread(target=bare.sendall, args=(data,))
    thread.start()
    with pytest.raises(NonsenseError):
        left.receive(10.0)
    thread.join()


def test_a_small_document_is_one_message() -> None:
    """And comes out as it went in."""
    parts = [
        Head("Title", "text/plain"),
        Batch([chunk(0, 0, "one", "Title > A", "A"), chunk(1, 5, "two 한글", "", "A", "B")]),
        End(bytes(32)),
    ]
    found = list(messages(parts))
    assert len(found) == 1
    received = Received(1_000)
    assert list(received.parts(json.loads(json.dumps(found[0])))) == parts
    assert received.ended


def test_a_large_document_is_several_messages() -> None:
    """Ordinals go on."""
    batches = [Batch([chunk(number, number * 10, "text")]) for number in range(5)]
    parts = [Head("", "text/plain"), *batches, End(bytes(32))]
    received = Received(1_000)
    sent = [json.loads(json.dumps(message)) for message in messages(parts)]
    found = [part for message in sent for part in received.parts(message)]
    assert found == parts


def test_a_document_without_chunks_has_a_head_and_an_end() -> None:
    """White space only, in a long file."""
    parts = [Head("", "text/plain"), End(bytes(32))]
    assert [part for one in messages(parts) for part in Received(9).parts(one)] == parts


def test_skips_and_failures_arrive_as_they_were() -> None:
    """Reason, detail, kind and message."""
    for skip in (SkipDocument("binary", "NUL bytes"), SkipDocument("no text")):
        with pytest.raises(SkipDocument) as skipped:
            list(Received(9).parts(skip_message(skip)))
        assert (skipped.value.reason, skipped.value.detail) == (skip.reason, skip.detail)
    for error in (ExtractionError("bad"), UnreadableError("cannot be read: x"), StarvedError()):
        received = Received(9)
        with pytest.raises(type(error)) as failed:
            list(received.parts(error_message(error)))
        assert failed.value.message == error.message
        assert received.ended
        assert received.starved is isinstance(error, StarvedError)


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        "text",
        {"skip": "no list"},
        {"skip": [1, 2]},
        {"skip": ["one"]},
        {"error": []},
        {"head": ["Title"]},
        {"head": "Title"},
        {"chunks": [[0, "text", "", [], None]]},  # before the head
        {**HEAD, "chunks": []},
        {**HEAD, "chunks": [[0, "", "", [], None]]},
        {**HEAD, "chunks": [[-1, "text", "", [], None]]},
        {**HEAD, "chunks": [["0", "text", "", [], None]]},
        {**HEAD, "chunks": [[0, "text", None, [], None]]},
        {**HEAD, "chunks": [[0, "text", "", [1], None]]},
        {**HEAD, "chunks": [[0, "text", "", ["a"] * 100, None]]},
        {**HEAD, "chunks": [[0, "text", ""]]},
        {**HEAD, "chunks": [[0, "text", "", []]]},
        {**HEAD, "chunks": [[0, "text", "", [], "1"]]},
        {**HEAD, "chunks": [[0, "text", "", [], 0]]},
        {**HEAD, "chunks": [[0, "text", "", [], True]]},
        {**HEAD, "chunks": [[0, "text", "", [], 1.5]]},
        {**HEAD, "chunks": [[0, "te\ud800xt", "", [], None]]},
        {**HEAD, "chunks": [[0, "te\0xt", "", [], None]]},
        {**HEAD, "chunks": [[0, "text", "", ["\ud800"], None]]},
        {**HEAD, "chunks": [[0, "text", "x" * 5_000, ["x" * 5_000], None]]},
        {"head": ["\ud800", "text/plain"]},
        {"head": ["x" * 10_000, "text/plain"]},
        {**HEAD, "chunks": [[10**9, "text", "", [], None]]},
        {**HEAD, "chunks": [[5, "text", "", [], None], [4, "text", "", [], None]]},
        {**HEAD, "end": "xyz"},
        {**HEAD, "end": "ab"},
        {**HEAD, "end": 5},
    ],
)
def test_nonsense_is_refused(message: Any) -> None:
    """Types, places and sizes are checked: the child may be in other hands."""
    with pytest.raises(NonsenseError):
        list(Received(100).parts(message))


def test_what_a_file_gives_is_bounded_by_its_size() -> None:
    """Neither chunks nor signs of progress without end."""
    for message in ({**HEAD, "chunks": [[0, "text", "", [], None]]}, PROGRESS):
        received = Received(10)
        with pytest.raises(NonsenseError):
            list(chain.from_iterable(received.parts(message) for _ in range(5_000)))


def test_windows_that_overlap_may_repeat_text() -> None:
    """As often as the configuration says, and no more."""
    message = {**HEAD, "chunks": [[0, "x" * 1_000, "", [], None]] * 3}
    list(Received(100, 4).parts(message))
    with pytest.raises(NonsenseError):
        list(Received(100, 1).parts(message))


def test_a_message_for_people_always_passes() -> None:
    """Whatever a parser says when it fails."""
    for text in ("\ud800", "a\0b", "x" * 100_000):
        with pytest.raises(ExtractionError):
            list(Received(9).parts(json.loads(json.dumps(error_message(ExtractionError(text))))))


def test_the_digest_is_made_of_what_came() -> None:
    """A child cannot pass a text for another's."""
    made = chunk(0, 0, "text", "Title")
    [_, batch] = Received(100).parts({**HEAD, "chunks": [[0, "text", "Title", [], None]]})
    assert batch == Batch([made])
