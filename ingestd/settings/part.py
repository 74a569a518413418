"""What the tables of the configuration have in common."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
)

MIB = 1024 * 1024


class Part(BaseModel):
    """A table of the configuration: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
