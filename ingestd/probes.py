"""``/healthz`` and ``/readyz``: what service managers, load balancers and people ask."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from . import __version__
from .serve.reply import Reply

if TYPE_CHECKING:
    from .serve.app import Handler
    from .serve.reply import Asked
    from .symptoms import Symptoms

UNAVAILABLE = 503


class Probes:
    """Answers with 200 or 503, and says why."""

    def __init__(self, symptoms: Symptoms) -> None:
        self._symptoms = symptoms

    def routes(self) -> dict[str, dict[str, Handler]]:
        """What it answers."""
        return {"/healthz": {"GET": self._alive}, "/readyz": {"GET": self._ready}}

    async def _alive(self, asked: Asked) -> Reply:
        """Whether a restart would mend nothing; looks at memory only, so it is quick."""
        why = self._symptoms.alive()
        told: dict[str, Any] = {"status": "stuck" if why else "alive"}
        if asked.trusted:
            told |= {"reason": why, "version": __version__, "pid": os.getpid()}
        return _reply(told, ok=not why)

    async def _ready(self, asked: Asked) -> Reply:
        """Whether what changes now is indexed soon."""
        health = await self._symptoms.look()
        return _reply(health.as_json(details=asked.trusted), ok=health.ready)


def _reply(told: dict[str, Any], *, ok: bool) -> Reply:
    body = json.dumps(told, ensure_ascii=False)
    return Reply(body, "application/json", 200 if ok else UNAVAILABLE)
