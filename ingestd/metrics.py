"""The gauges of the daemon with its health: ``/metrics`` for Prometheus, and ``/v1/gauges``."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from . import __version__
from .health import Code
from .serve.reply import Reply

if TYPE_CHECKING:
    from .instance import Instance
    from .serve.app import Handler
    from .serve.reply import Asked
    from .symptoms import Symptoms


PATIENCE_S = 0.3
"""A Chroma that hangs shall not keep the metrics from being read."""


class Metrics:
    """Answers with every gauge of an instance."""

    def __init__(self, instance: Instance, symptoms: Symptoms) -> None:
        self._instance = instance
        self._symptoms = symptoms
        self._build = {
            "version": __version__,
            "python": platform.python_version(),
            "chromadb": version("chromadb"),
            "model": instance.spec.public_name,
        }
        gauges = instance.gauges
        gauges.add("ready", lambda: symptoms.last.ready, help="1: what changes is indexed soon.")
        gauges.add(
            "problem", self._problems, label="code", help="1 while it lasts; /readyz says more."
        )

    def routes(self) -> dict[str, dict[str, Handler]]:
        """What it answers."""
        return {"/metrics": {"GET": self._metrics}, "/v1/gauges": {"GET": self._gauges}}

    async def _gauges(self, _asked: Asked) -> dict[str, Any]:
        await self._symptoms.look(PATIENCE_S)
        readings = await asyncio.to_thread(self._instance.gauges.read)
        return {"gauges": [reading.as_json() for reading in readings]}

    async def _metrics(self, asked: Asked) -> Reply:
        await self._symptoms.look(PATIENCE_S)
        body, media_type = await asyncio.to_thread(self._encode, asked.headers.get("accept", ""))
        return Reply(body, media_type)

    def _encode(self, accept: str) -> tuple[bytes, str]:
        from .serve.exposition import encode  # noqa: PLC0415 - seldom needed elsewhere

        return encode(self._instance.gauges.read(), self._build, accept)

    def _problems(self) -> dict[str, float]:
        there = {problem.code for problem in self._symptoms.last.problems}
        return {code.value: float(code in there) for code in Code}
