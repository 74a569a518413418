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
from ingestd.embed.extract.skip import SkipDocument
from ingestd.errors import DocumentError, IngestdError

from . import limits
from .cut import Cutter
from .messages import PROGRESS, error_message, messages, skip_message
from .orders import Orders
from .wire import Channel, EndedError


def serve(channel: Channel) -> None:
    """Cut files until the other side is gone."""
    orders = Orders.of(channel.receive())
    try:
        chunker = Chunker(orders.tokenizer(), **asdict(orders.cutting))
        documents = Documents(orders.bounds, orders.plugins)
        cutter = Cutter(chunker, lambda: channel.send(PROGRESS), documents=documents)
        _be_silent()
        limits.confine(orders.memory_bytes)
    except IngestdError as error:
        channel.send({"broken": [error.code, error.message, error.hint]})
        return
    channel.send({"ready": True})
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
    try:
        for message in messages(cutter.cut(fd, request["name"].encode("latin-1"), request["size"])):
            channel.send(message)
            limits.allow_cpu(timeout_s)
    except SkipDocument as skip:
        return skip_message(skip)
    except DocumentError as error:
        return error_message(error)
    return None


def _be_silent() -> None:
    """From here on, what parsers print goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def main() -> None:
    """Serve the daemon that started this."""
    limits.leave_signals_to_parent()
    limits.end_with_parent(int(sys.argv[2]))
    limits.be_first_to_go()
    sys.dont_write_bytecode = True
    connection = socket.socket(fileno=int(sys.argv[1]))
    try:
        serve(Channel(connection, descriptors=True))
    except EndedError:
        return


if __name__ == "__main__":
    main()
