"""The managed Chroma server: start it, wait for it, start it again when it dies, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

import structlog

from ingestd.errors import IngestdError, StoreError

from .listen import check_port, listens
from .plan import ServerPlan, open_log, server_config, server_environment

__all__ = ["ManagedServer", "ServerPlan", "check_port"]

log = structlog.get_logger(__name__)

STOP_S = 15.0
"""How long the server may take to end after SIGTERM: killing it while it saves tears its index."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
"""A server that ran this long was well: the next restart is quick again."""
POLL_S = 0.05
ANSWER_S = 2.0


class ManagedServer:
    """A Chroma server as a child of this process.

    The kernel ends the server with the thread that started it, so the event loop's thread must
    live as long as the server: start it from the main thread.
    """

    def __init__(self, plan: ServerPlan) -> None:
        self.plan = plan
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

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
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="chroma-keeper")

    async def stop(self) -> None:
        """Let the server finish what it does, and end it; harmless when it is not there."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        await self._end()

    async def _end(self) -> None:
        process = self._process
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

    async def _launch(self) -> None:
        """Start a process, and wait until it answers; when it does not, end it."""
        check_port(self.plan.host, self.plan.port)
        try:
            self._process = await self._spawn()
        except OSError as error:
            raise StoreError(f"cannot start the Chroma server: {error}") from error
        try:
            await self._wait_ready(self._process)
        except StoreError:
            await self._end()
            raise

    async def _spawn(self) -> asyncio.subprocess.Process:
        plan = self.plan
        plan.data.mkdir(parents=True, exist_ok=True)
        plan.log_dir.mkdir(parents=True, exist_ok=True)
        plan.config_file.write_text(server_config(plan), encoding="utf-8")
        output = open_log(plan.log_file)
        try:
            # A session of its own: Ctrl-C at the terminal must reach us, not the server. And -P:
            # what lies in the current folder is data, and must not be imported.
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "ingestd.embed.chroma.child",
                str(plan.config_file),
                str(plan.data),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=server_environment(os.environ),
                pass_fds=(plan.lock_fd,),
                start_new_session=True,
            )
        finally:
            os.close(output)

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        import httpx  # noqa: PLC0415 - slow to import

        deadline = time.monotonic() + self.plan.start_timeout_s
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
            while process.returncode is None:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get(f"{self.plan.url}/api/v2/heartbeat")
                    # Somebody else's server would answer just as well.
                    if answer.is_success and listens(process.pid, self.plan.port):
                        log.info("store_ready", url=self.plan.url, pid=process.pid)
                        return
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the Chroma server at {self.plan.url} did not answer within "
                        f"{self.plan.start_timeout_s:g} s",
                        hint=f"Its output is in {self.plan.log_file}.",
                    )
                await asyncio.sleep(POLL_S)
        raise StoreError(
            f"the Chroma server ended at once (status {process.returncode})",
            hint=f"Its output is in {self.plan.log_file}.",
        )

    async def _keep(self) -> None:
        """Start the server again whenever it dies."""
        wait_s = FIRST_WAIT_S
        while self._process is not None:
            started = time.monotonic()
            status = await self._process.wait()
            if time.monotonic() - started > STEADY_S:
                wait_s = FIRST_WAIT_S
            self.restarts += 1
            log.error("store_died", status=status, restart_in_s=wait_s, restarts=self.restarts)
            while True:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
                try:
                    await self._launch()
                    break
                except IngestdError as error:
                    log.error("store_not_restarted", error=str(error), next_try_in_s=wait_s)  # noqa: TRY400 - the message says it all
