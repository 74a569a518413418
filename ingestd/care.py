"""How the files of watched sources are handled: by their rules, and by the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .embed.secrets.care import GUARDED, OPEN, Care
from .watch.defaults import DEFAULTS, SECRETS
from .watch.rules import HARMLESS, SECRET
from .watch.source import WatchedSource

if TYPE_CHECKING:
    from .embed.secrets.care import CareOf
    from .ports import Source
    from .settings.content import ExtractSettings


def care_of(extract: ExtractSettings) -> CareOf:
    """Tells which files are not opened, and which are not searched for secrets."""
    if extract.secrets == "index":
        return lambda _source, _path: OPEN
    return _by_rules


def sealed_names(extract: ExtractSettings) -> tuple[str, ...]:
    """Patterns of names that hold credentials, for what is packed in other files."""
    if extract.secrets == "index":
        return ()
    return (*SECRETS, *DEFAULTS[SECRET], *extract.secret_rules)


def _by_rules(source: Source, path: bytes) -> Care:
    if not isinstance(source, WatchedSource):
        return GUARDED
    decision = source.rules.decide(path)
    if decision.reason == SECRET:
        return Care(sealed=decision.rule)
    return OPEN if decision == HARMLESS else GUARDED
