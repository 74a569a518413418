"""The process of the managed Chroma server: start it, wait until it answers, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import structlog

from ingestd.errors import StoreError

from .child import HELD
from .listen import listens
from .plan import open_log, server_config, server_environment

if TYPE_CHECKING:
    from .plan import ServerPlan

log = structlog.get_logger(__name__)

STOP_S = 15.0
"""How long the server may take to end after SIGTERM: killing it while it saves tears its index."""
POLL_S = 0.05
ANSWER_S = 2.0
LOAD_S = 20.0
"""How long a process that is held may take to load; it is used after that all the same."""


async def spawn(plan: ServerPlan) -> asyncio.subprocess.Process:
    """Start the process.

    Raises:
        StoreError: it cannot be started.
    """
    return await _spawn(plan, asyncio.subprocess.DEVNULL, None)


class Reserve:
    """A process that is to take over: it loads all it needs, and touches no data yet."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def fill(self, plan: ServerPlan) -> None:
        """Start it, and wait until it has loaded.

        Raises:
            StoreError: it cannot be started.
        """
        pipe = asyncio.subprocess.PIPE
        self._process = await _spawn(plan, pipe, pipe, HELD)
        if self._process.stdout is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.stdout.readline(), LOAD_S)

    def take(self) -> asyncio.subprocess.Process | None:
        """Have it open the data, which nobody else has open; None when there is none."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None or process.stdin is None:
            return None
        process.stdin.write(b"\n")
        process.stdin.close()
        return process

    async def drop(self) -> None:
        """End it, when it is not needed."""
        process, self._process = self._process, None
        await end(process)


async def _spawn(
    plan: ServerPlan, stdin: int, stdout: int | None, *more: str
) -> asyncio.subprocess.Process:
    try:
        plan.data.mkdir(parents=True, exist_ok=True)
        plan.log_dir.mkdir(parents=True, exist_ok=True)
        plan.config_file.write_text(server_config(plan), encoding="utf-8")
        output = open_log(plan.log_file)
        try:
            # A session of its own: Ctrl-C at the terminal must reach us, not the server. And -P:
            # what lies in the current folder is data, and must not be imported.
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "ingestd.embed.chroma.child"),
                *(str(plan.config_file), str(plan.data), str(os.getpid()), *more),
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                env=server_environment(os.environ),
                pass_fds=(plan.lock_fd,),
                start_new_session=True,
            )
        finally:
            os.close(output)
    except OSError as error:
        raise StoreError(f"cannot start the Chroma server: {error}") from error


async def wait_ready(plan: ServerPlan, process: asyncio.subprocess.Process) -> None:
    """Wait until the process answers its heartbeat.

    Raises:
        StoreError: it does not in time, or it ended.
    """
    import httpx  # noqa: PLC0415 - slow to import

    deadline = time.monotonic() + plan.start_timeout_s
    async with httpx.AsyncClient(
        timeout=ANSWER_S,
        trust_env=False,
        verify=False,  # noqa: S501 - nothing is encrypted, and reading certificates takes 50 ms
    ) as client:
        while process.returncode is None:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get(f"{plan.url}/api/v2/heartbeat")
                # Somebody else's server would answer just as well.
                if answer.is_success and listens(process.pid, plan.port):
                    return
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the Chroma server at {plan.url} did not answer within "
                    f"{plan.start_timeout_s:g} s",
                    hint=f"Its output is in {plan.log_file}.",
                )
            await asyncio.sleep(POLL_S)
    raise StoreError(
        f"the Chroma server ended at once (status {process.returncode})",
        hint=f"Its output is in {plan.log_file}.",
    )


async def end(process: asyncio.subprocess.Process | None) -> None:
    """Let a process finish what it does, and end it; harmless when it has ended."""
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        log.warning("store_killed", pid=process.pid, after_s=STOP_S)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
