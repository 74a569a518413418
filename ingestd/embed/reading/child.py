"""The extraction child: ``python -m ingestd.embed.reading.child FD PARENT``.

It gets open files over a socket and answers with their chunks. It keeps nothing, writes nothing,
and may be killed at any time.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import asdict
from typing import Any

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract.documents import Documents
from ingestd.embed.extract.scans import Scribe
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.sandbox.walls import enter
from ingestd.errors import DocumentError, IngestdError

from . import limits
from .cut import Cutter
from .messages import PROGRESS, error_message, messages, skip_message
from .orders import Orders
from .wire import Channel, EndedError


def serve(channel: Channel, parent: int) -> None:
    """Cut files until the other side is gone."""
    orders = Orders.of(channel.receive())
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if orders.scans.pages_now:
        limits.step_back()
    missing = _close_in(orders, parent)
    try:
        chunker = Chunker(orders.tokenizer(), **asdict(orders.cutting))
        scribe = Scribe(orders.scans, lambda: _alive(channel, orders.timeout_s))
        documents = Documents(orders.bounds, orders.plugins, orders.packed, scribe)
        cutter = Cutter(chunker, lambda: channel.send(PROGRESS), documents=documents)
        os.dup2(nowhere, 2)  # from here on, what parsers print goes nowhere
        os.close(nowhere)
        limits.confine(orders.memory_bytes)
    except IngestdError as error:
        channel.send({"broken": [error.code, error.message, error.hint]})
        return
    channel.send({"ready": True, "without": missing})
    while True:
        request = channel.receive()
        fd = channel.descriptor()
        try:
            failed = _cut(channel, cutter, fd, request, orders.timeout_s)
        finally:
            os.close(fd)
        # Out here, where nothing of the document is held any more.
        if failed:
            channel.send(failed)


def _cut(
    channel: Channel, cutter: Cutter, fd: int, request: dict[str, Any], timeout_s: float
) -> dict[str, Any] | None:
    """Send the parts of a file, or return the message of its failure."""
    limits.allow_cpu(timeout_s)
    name, size = request["name"].encode("latin-1"), request["size"]
    try:
        parts = cutter.cut(fd, name, size, guard=request["guard"])
        for message in messages(parts):
            channel.send(message)
            limits.allow_cpu(timeout_s)
    except SkipDocument as skip:
        return skip_message(skip)
    except DocumentError as error:
        return error_message(error)
    return None


def _alive(channel: Channel, timeout_s: float) -> None:
    """Say that a page is done, and begin another."""
    channel.send(PROGRESS)
    limits.allow_cpu(timeout_s)


def _close_in(orders: Orders, parent: int) -> list[str]:
    """Enter the sandbox before any library starts a thread; returns what it is without."""
    if not orders.sandbox:
        return ["sandbox"]
    # New rights make the kernel forget that it should end us with the parent.
    walls = enter(orders.readable(), before_last=lambda: limits.end_with_parent(parent))
    return walls.missing


def main() -> None:
    """Serve the daemon that started this."""
    limits.leave_signals_to_parent()
    parent = int(sys.argv[2])
    limits.end_with_parent(parent)
    limits.be_first_to_go()
    sys.dont_write_bytecode = True
    connection = socket.socket(fileno=int(sys.argv[1]))
    try:
        serve(Channel(connection, descriptors=True), parent)
    except EndedError:
        return


if __name__ == "__main__":
    main()
