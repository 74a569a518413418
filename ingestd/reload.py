"""A new configuration for a running daemon: what of it applies at once, and what at a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from . import logs
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .config import Settings

log = structlog.get_logger(__name__)

AT_ONCE = frozenset({"log.level"})
"""The keys that change while the daemon runs."""


class Reload:
    """Reads the configuration again when it is asked to. Blocking.

    Args:
        settings: what the daemon was started with.
        read: reads and checks the configuration, as at the start.
        fixed_level: the level was given on the command line, and stays.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], *, fixed_level: bool = False
    ) -> None:
        self._started = settings
        self._settings = settings
        self._read = read
        self._fixed_level = fixed_level

    def reload(self) -> str:
        """Check the configuration, and apply what can be; returns what came of it, in a line.

        A wrong one is refused as a whole: what held before holds.
        """
        try:
            found = self._checked()
        except ConfigError as error:
            tell = log.error  # it says it all
            tell("reload_refused", error=error.message, hint=error.hint)
            return f"configuration refused, the old one is kept: {error.message}"
        applied = sorted(set(differences(self._settings, found)) & AT_ONCE)
        waiting = sorted(set(differences(self._started, found)) - AT_ONCE)
        self._settings = found
        if not self._fixed_level:
            logs.set_level(found.log.level)
        log.warning("reloaded", applied=applied, needs_restart=waiting)
        if waiting:
            return f"configuration reloaded; a restart is needed for {', '.join(waiting)}"
        return "configuration reloaded"

    def _checked(self) -> Settings:
        found = self._read()
        if not found.sources:
            raise ConfigError("no folder to watch")
        return found


def differences(before: Settings, after: Settings) -> list[str]:
    """The dotted names of the keys whose values differ."""
    old = dict(_flat(before.model_dump()))
    new = dict(_flat(after.model_dump()))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
