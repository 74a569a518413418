"""The tables of the configuration that say how the daemon runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ingestd.listen import FIRST_PORT
from ingestd.listen import parse as parse_listen
from ingestd.memory import marks, size

from .part import MIB, Part

LEAST_TOKEN = 16
"""Characters of a token: shorter ones are guessed."""


class WatchSettings(Part):
    """How changes are noticed."""

    settle_ms: int = Field(default=200, ge=0, description="quiet time before a file is read")
    max_wait_s: float = Field(default=5.0, gt=0, description="a busy file is read after this")
    reconcile_s: float = Field(default=600.0, ge=1, description="between full scans")
    poll_s: float = Field(
        default=60.0, ge=1, description="between scans of a source without events"
    )
    canary_s: float = Field(default=60.0, ge=1, description="between checks of the watcher")


class LimitSettings(Part):
    """Bounds."""

    file_bytes: int = Field(default=50 * MIB, ge=1, description="larger files are skipped")
    batch_bytes: int = Field(
        default=MIB // 4, ge=1, description="bytes of files in one batch; three are in hand"
    )
    batch_documents: int = Field(default=256, ge=1, le=10_000, description="documents in one batch")
    free_bytes: int = Field(
        default=512 * MIB, ge=0, description="space to leave free; below it, writing waits"
    )
    vectors_bytes: int = Field(default=2048 * MIB, ge=MIB, description="size of the vectors cache")
    attempts: int = Field(default=5, ge=1, description="tries before a document is given up")
    retry_s: float = Field(default=10.0, gt=0, description="wait after a first failure")
    retry_max_s: float = Field(default=600.0, gt=0, description="longest wait between tries")
    stop_s: float = Field(default=10.0, gt=0, description="time to finish what is in hand")
    stuck_s: float = Field(
        default=600.0,
        gt=0,
        description="a model at the same texts for longer is stuck: the service manager is to "
        "start the daemon anew",
    )
    backlog_s: float = Field(
        default=3600.0, ge=0, description="a change that waits longer is told of; 0: never"
    )


Mark = Annotated[int | None, BeforeValidator(size.parse_or_none)]


class MemorySettings(Part):
    """Bounds for the memory of the daemon, its Chroma server and its other children together."""

    high: Mark = Field(
        default=None,
        description='past it memory is given back; bytes, or such as "512M"; 0: never; default: '
        "90 % of the control group's memory.high, or 80 % of `max`",
    )
    max: Mark = Field(
        default=None,
        description="past it no new work is begun until it is less than `high`; 0: never; default: "
        "90 % of the control group's memory.max",
    )
    check_s: float = Field(default=5.0, ge=0.1, description="between two looks")

    @model_validator(mode="after")
    def _marks_make_sense(self) -> MemorySettings:
        for name, mark in (("high", self.high), ("max", self.max)):
            if mark and mark < marks.LEAST:
                message = (
                    f"`{name}` = {mark:,} bytes is less than the daemon needs to start: "
                    f'at least "{marks.LEAST // MIB}M"'
                )
                raise ValueError(message)
        if self.high and self.max and self.high > self.max:
            message = f"`high` ({self.high:,} bytes) must not be above `max` ({self.max:,} bytes)"
            raise ValueError(message)
        return self


class LogSettings(Part):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="")
    format: Literal["auto", "pretty", "journal", "json"] = Field(
        default="auto",
        description="auto: pretty on a terminal, lines with priorities where systemd's journal "
        "listens, JSON otherwise",
    )


class HttpSettings(Part):
    """The page, health and metrics of the daemon."""

    listen: str = Field(
        default="auto",
        description="HOST:PORT, unix:PATH, off, or auto: a free port of 127.0.0.1 from "
        f"{FIRST_PORT} on",
    )
    token: str | None = Field(
        default=None, description="what has to be shown; needed where other machines reach it"
    )
    token_file: Path | None = Field(default=None, description="a file that holds the token")
    hosts: tuple[str, ...] = Field(
        default=(), description="names that it is called by, beside its address and localhost"
    )

    @model_validator(mode="after")
    def _who_may_ask_is_known(self) -> HttpSettings:
        place = parse_listen(self.listen)
        if self.token is not None and self.token_file is not None:
            message = "`token` and `token_file` do not go together"
            raise ValueError(message)
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            message = f"`token` has less than {LEAST_TOKEN} characters"
            raise ValueError(message)
        if place and not place.is_local and self.token is None and self.token_file is None:
            message = (
                f"`listen` = {self.listen!r} is reached by other machines: it needs a `token`, or "
                "a `token_file`"
            )
            raise ValueError(message)
        return self
