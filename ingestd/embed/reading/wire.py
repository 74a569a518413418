"""Frames of JSON over a Unix socket, between daemon and extraction child.

Never pickle: a hostile file may own the child, and what comes from it is text and numbers.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

MAX_FRAME_BYTES = 1024 * 1024
_LENGTH_BYTES = 4
_RECEIVED_AT_ONCE = 64 * 1024


class EndedError(Exception):
    """The other side is gone."""


class NonsenseError(Exception):
    """The other side does not keep to the language."""


class Channel:
    """Sends and receives messages over a connected Unix socket.

    Args:
        connection: the socket.
        descriptors: take file descriptors that come with messages; else the kernel drops them.
    """

    def __init__(self, connection: socket.socket, *, descriptors: bool = False) -> None:
        self._socket = connection
        self._descriptors = descriptors
        self._received = bytearray()
        self._fds: list[int] = []

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, message: object, *fds: int, timeout_s: float | None = None) -> None:
        """Send one message, with descriptors.

        Raises:
            EndedError: the other side is gone.
            TimeoutError: it does not listen.
        """
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        frame = len(data).to_bytes(_LENGTH_BYTES, "big") + data
        self._socket.settimeout(timeout_s)
        try:
            sent = socket.send_fds(self._socket, [frame], fds) if fds else 0
            if sent < len(frame):
                self._socket.sendall(frame[sent:])
        except ConnectionError as error:
            raise EndedError from error

    def receive(self, timeout_s: float | None = None) -> Any:
        """The next message.

        Raises:
            EndedError: the other side is gone.
            TimeoutError: no whole message came in time.
            NonsenseError: what came is no message.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._fill(_LENGTH_BYTES, deadline)
        length = int.from_bytes(self._received[:_LENGTH_BYTES], "big")
        if length > MAX_FRAME_BYTES:
            raise NonsenseError("a message is too long")
        self._fill(_LENGTH_BYTES + length, deadline)
        body = bytes(self._received[_LENGTH_BYTES : _LENGTH_BYTES + length])
        del self._received[: _LENGTH_BYTES + length]
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NonsenseError("a message is no JSON") from error

    def descriptor(self) -> int:
        """The descriptor that came with the last message; the caller closes it.

        Raises:
            NonsenseError: there is none.
        """
        if not self._fds:
            raise NonsenseError("a message has no descriptor")
        return self._fds.pop(0)

    def _fill(self, length: int, deadline: float | None) -> None:
        """Receive until so many bytes are there."""
        while len(self._received) < length:
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            try:
                data = self._receive()
            except ConnectionError as error:
                raise EndedError from error
            if not data:
                raise EndedError
            self._received += data

    def _receive(self) -> bytes:
        if not self._descriptors:
            return self._socket.recv(_RECEIVED_AT_ONCE)
        data, fds, _, _ = socket.recv_fds(self._socket, _RECEIVED_AT_ONCE, 1)
        self._fds.extend(fds)
        return data
