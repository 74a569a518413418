"""The managed Chroma server: start it, wait for it, start it again when it dies, stop it.

A server that answers its heartbeat may have an index that it cannot open. So before each start its
files are looked at, and after each start it is asked for its data; see `Care`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from ingestd.embed.threads import in_thread
from ingestd.errors import DiskFullError, IngestdError, StoreError
from ingestd_state.engine import DatabaseError

from . import ceiling
from .care import BrokenError
from .health import DATABASE
from .listen import check_port
from .plan import DEFAULT_DATABASE, DEFAULT_TENANT, ServerPlan, shorten_log
from .process import STOP_S, Reserve, end, spawn, wait_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from .care import Care
    from .examine import Answers

__all__ = ["ManagedServer", "ServerPlan", "check_port"]

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
"""A server that ran this long was well: the next restart is quick again."""
LAUNCHES = 3
"""Times that a first start is tried, when what was broken was set aside in between."""


class ManagedServer:
    """A Chroma server as a child of this process.

    The kernel ends the server with the thread that started it, so the event loop's thread must
    live as long as the server: start it from the main thread.

    Args:
        plan: how it is started.
        care: looks at its files and its answers; None to trust both.
    """

    def __init__(self, plan: ServerPlan, care: Care | None = None) -> None:
        self.plan = plan
        self.restarts = 0
        self._care = care
        self._up = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reserve = Reserve()
        self._keeper: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether it gave sound answers since it was last started."""
        return self._up.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of the server; None while it is down."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    def begin(self) -> None:
        """Start the server in the background: `started` waits for it.

        Raises:
            PortBusyError: somebody else listens on the port.
        """
        check_port(self.plan.host, self.plan.port)
        self._starting = asyncio.create_task(self.start(), name="chroma-start")

    async def started(self) -> None:
        """Wait until a server that was begun gives sound answers.

        Raises:
            Exception: what `start` raises.
        """
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def start(self) -> None:
        """Start the server, wait until it answers, and keep it running.

        Raises:
            PortBusyError: somebody else listens on the port.
            StoreError: it does not come up.
            DatabaseError: the state table cannot be asked what is to be filled anew.
        """
        try:
            await self._first_launch()
        except BaseException:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="chroma-keeper")

    async def stop(self) -> None:
        """Let the server finish what it does, and end it; harmless when it is not there."""
        await self._end_start()
        await self._end_keeper()
        await self._reserve.drop()
        if await self._end_process() and self._care:
            await in_thread(self._care.closed)

    async def _end_start(self) -> None:
        starting = self._starting
        if starting is None or starting is asyncio.current_task():
            return
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():
            starting.exception()  # whoever waited for it was told

    async def _end_keeper(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _end_process(self) -> bool:
        """End the server; whether it was there, and ended in order."""
        running = self.pid is not None
        await end(self._process)
        return running and self._process is not None and self._process.returncode == 0

    async def restart(self, meanwhile: Callable[[], None] = lambda: None) -> float:
        """End the server in order, and start another; the caller sees to it that nobody writes.

        Args:
            meanwhile: called in a thread while nobody has the directory open. When it raises, the
                server is started all the same.

        Returns:
            Seconds in which nobody answered.

        Raises:
            StoreError: it does not come up; it is tried again and again, as after a crash.
            Exception: what ``meanwhile`` raised.
        """
        await self.started()
        # What takes over is loaded before: then readers wait for a fraction of a second.
        await self._reserve.fill(self.plan)
        started = time.monotonic()
        self._up.clear()  # who finds that it does not answer shall leave it to us
        try:
            await self._end_keeper()
            await self._end_process()
            await in_thread(lambda: self._change(meanwhile))
        finally:
            await self._again()
        return time.monotonic() - started

    def _change(self, meanwhile: Callable[[], None]) -> None:
        meanwhile()
        if self._care and self._process and self._process.returncode == 0:
            self._care.closed()

    async def _again(self) -> None:
        try:
            await self._first_launch()
        finally:
            # Where it did not come up: the keeper finds it ended, and goes on.
            self._keeper = asyncio.create_task(self._keep(), name="chroma-keeper")

    async def check(self) -> None:
        """Look after a server that did not answer: one that hangs, or is broken, is replaced.

        Does nothing about one that is down: it is being started again already.

        Raises:
            DiskFullError: nothing can be told while the disk is full.
            DatabaseError: the state table cannot be written.
        """
        if self._care is None or self.pid is None or not self._up.is_set():
            return
        try:
            answers = await self._ask(self._care)
            reason = f"no answer within {self._care.timeout_s:g} s" if answers.at else ""
            # It may hang for reasons of its own: only a fresh start shows that the index does it.
            await in_thread(lambda: self._judge(answers, hangs=False))
        except DiskFullError:
            raise
        except StoreError as error:
            reason = error.message
        if reason and self.pid is not None:
            await self._replace(reason)

    async def _replace(self, reason: str) -> None:
        """End the server, and wait until the keeper has started another."""
        log.error("store_replaced", pid=self.pid, reason=reason, stops_within_s=STOP_S)
        self._up.clear()
        await end(self._process)
        limit_s = self.plan.start_timeout_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), limit_s)

    async def _first_launch(self) -> None:
        for left in reversed(range(LAUNCHES)):
            try:
                await self._launch()
            except BrokenError:
                if not left:
                    raise
            else:
                return

    async def _launch(self) -> None:
        """Start a process, and wait until it gives sound answers; when it does not, end it."""
        check_port(self.plan.host, self.plan.port)
        if self._care:
            await in_thread(self._care.before)
        self._process = self._reserve.take() or await spawn(self.plan)
        try:
            # What is needed to ask it is loaded while it starts.
            await asyncio.gather(wait_ready(self.plan, self._process), in_thread(_load_client))
            await self._examine()
        except Exception:
            await end(self._process)
            raise
        self._up.set()
        log.info("store_ready", url=self.plan.url, pid=self._process.pid)

    async def _examine(self) -> None:
        """See that a server that has just started gives sound answers.

        Raises:
            BrokenError: it does not.
            StoreError: it is gone.
        """
        if self._care is None:
            return
        try:
            answers = await self._ask(self._care)
        except DiskFullError as error:
            log.warning("store_not_examined", error=error.message)
            return
        await in_thread(lambda: self._judge(answers, hangs=True))

    async def _ask(self, care: Care) -> Answers:
        return await in_thread(lambda: care.ask_server(self._client))

    def _client(self, timeout_s: float) -> Any:
        from .client import BoundedClient  # noqa: PLC0415 - slow to import

        return BoundedClient(
            self.plan.url,
            headers={},
            tenant=DEFAULT_TENANT,
            database=DEFAULT_DATABASE,
            timeout_s=timeout_s,
        )

    def _judge(self, answers: Answers, *, hangs: bool) -> None:
        if self._care is None:
            return
        broken = dict(answers.broken)
        if hangs and answers.at:
            broken[answers.at] = f"no answer within {self._care.timeout_s:g} s"
        self._care.judge(broken, answers.unreadable)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Wait until the server has ended; as long as it runs, its files may grow with the data."""
        ending = asyncio.ensure_future(process.wait())
        try:
            while not ending.done():
                await asyncio.wait([ending], timeout=ceiling.LOOK_S)
                await in_thread(lambda: ceiling.lift(process.pid, self.plan.data / DATABASE))
                await in_thread(lambda: shorten_log(self.plan.log_file))
        finally:
            ending.cancel()
        return ending.result()

    async def _keep(self) -> None:
        """Start the server again whenever it dies."""
        wait_s = FIRST_WAIT_S
        while self._process is not None:
            started = time.monotonic()
            status = await self._ended(self._process)
            self._up.clear()
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
                except Exception as error:  # noqa: BLE001 - nobody else would start it again
                    known = isinstance(error, IngestdError | DatabaseError)
                    tell = log.error if known else log.exception
                    tell("store_not_restarted", error=str(error), next_try_in_s=wait_s)


def _load_client() -> None:
    from . import client  # noqa: F401, PLC0415 - slow to import
