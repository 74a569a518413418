"""What a check finds, and how checks are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from ingestd.errors import IngestdError

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.location import Location

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was checked.
        level: ``ok``, ``warn`` (it works, with a limit) or ``fail`` (it does not work).
        message: what was found.
        mend: what to do or to run; empty when nothing is to be done.
    """

    name: str
    level: Level
    message: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For scripts."""
        return asdict(self)


Check = Callable[["Settings", "Location"], Iterator[Finding]]


def run(check: Check, settings: Settings, location: Location) -> list[Finding]:
    """The findings of a check; an error that ends it is the last of them."""
    findings: list[Finding] = []
    name = check.__name__.replace("_", " ")
    try:
        findings.extend(check(settings, location))
    except IngestdError as error:
        findings.append(Finding(name, "fail", error.message, error.hint))
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        findings.append(Finding(name, "fail", f"{type(error).__name__}: {error}"))
    return findings
