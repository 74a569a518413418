"""The managed Chroma server: start it, wait for it, start it again when it dies, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import PortBusyError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger(__name__)

STOP_S = 15.0
"""How long the server may take to end after SIGTERM: killing it while it saves tears its index."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
"""A server that ran this long was well: the next restart is quick again."""
LOG_LIMIT_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """How the server is started."""

    data: Path
    log_dir: Path
    host: str
    port: int
    start_timeout_s: float
    lock_fd: int

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{self.host}:{self.port}"


class ManagedServer:
    """A Chroma server as a child of this process."""

    def __init__(self, plan: ServerPlan) -> None:
        self.plan = plan
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Process id of the server; None while it is down."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Start the server, wait until it answers, and keep it running.

        Raises:
            PortBusyError: somebody else listens on the port.
            StoreError: it does not come up.
        """
        check_port(self.plan.host, self.plan.port)
        await self._spawn()
        try:
            await self._wait_ready()
        except StoreError:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="chroma-keeper")

    async def stop(self) -> None:
        """Let the server finish what it does, and end it."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            log.warning("store_killed", pid=process.pid, after_s=STOP_S)
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        plan = self.plan
        plan.data.mkdir(parents=True, exist_ok=True)
        plan.log_dir.mkdir(parents=True, exist_ok=True)
        config = plan.log_dir.parent / "chroma-server.yaml"
        config.write_text(server_config(plan), encoding="utf-8")
        output = _open_log(plan.log_dir / "chroma.log")
        try:
            # A session of its own: Ctrl-C at the terminal must reach us, not the server.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ingestd.embed.chroma.child",
                str(config),
                str(plan.data),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(plan.lock_fd,),
                start_new_session=True,
            )
        finally:
            os.close(output)

    async def _wait_ready(self) -> None:
        import httpx  # noqa: PLC0415 - slow to import

        deadline = time.monotonic() + self.plan.start_timeout_s
        process = self._process
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while process is not None and process.returncode is None:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get(f"{self.plan.url}/api/v2/heartbeat")
                    if answer.is_success:
                        log.info("store_ready", url=self.plan.url, pid=process.pid)
                        return
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the Chroma server at {self.plan.url} did not answer within "
                        f"{self.plan.start_timeout_s:g} s"
                    )
                await asyncio.sleep(0.05)
        code = process.returncode if process else None
        raise StoreError(
            f"the Chroma server ended at once (status {code})",
            hint=f"Its output is in {self.plan.log_dir / 'chroma.log'}.",
        )

    async def _keep(self) -> None:
        """Start the server again whenever it dies."""
        wait_s = FIRST_WAIT_S
        while not self._stopping:
            process = self._process
            if process is None:
                return
            started = time.monotonic()
            status = await process.wait()
            if time.monotonic() - started > STEADY_S:
                wait_s = FIRST_WAIT_S
            self.restarts += 1
            log.error("store_died", status=status, restart_in_s=wait_s, restarts=self.restarts)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            with contextlib.suppress(StoreError, OSError):
                await self._spawn()
                await self._wait_ready()


def check_port(host: str, port: int) -> None:
    """See that nobody listens there.

    Raises:
        PortBusyError: somebody does, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusyError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def server_config(plan: ServerPlan) -> str:
    """The server's configuration. JSON is YAML; a file, because flags make it log each request."""
    return json.dumps(
        {
            "listen_address": plan.host,
            "port": plan.port,
            "persist_path": str(plan.data.resolve()),
            "allow_reset": False,
        },
        indent=1,
    )


def _open_log(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
