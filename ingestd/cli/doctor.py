"""``ingestd doctor``: checks what ingestd stands on, and says what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ingestd.errors import IngestdError

from . import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from .checks import Finding


def doctor(
    *,
    config: options.Config = None,
    state_dir: options.StateDir = None,
    json: options.Json = False,
) -> None:
    """Check the system, the model, the state and the store; exit 1 when something is broken."""
    from ingestd import logs

    logs.configure("error", "auto")
    findings = examine(config, state_dir)
    failed = [one for one in findings if one.level == "fail"]
    if json:
        for one in findings:
            output.emit({"type": "check", **one.as_dict()})
        output.emit({"type": "summary", "ok": not failed, "failed": len(failed)})
    else:
        page = output.Page()
        page.table(
            "",
            ("check", "result", "what was found", "what mends it"),
            [(one.name, one.level, one.message, one.mend) for one in findings],
        )
        page.show()
    if failed:
        raise typer.Exit(1)


def examine(config: Path | None, state_dir: Path | None) -> list[Finding]:
    """Run every check; one that breaks is a finding of its own."""
    from ingestd.config import Settings, load
    from ingestd.location import Location, locate

    from . import check_host, check_language, check_parts, check_store, check_system
    from .checks import Finding, run

    findings = []
    try:
        settings, location = load(config=config, state_dir=state_dir)
        where = location.config_file or "built-in defaults"
        findings.append(Finding("configuration", "ok", str(where)))
    except IngestdError as error:
        message = error.message.replace("\n", "; ")
        findings.append(Finding("configuration", "fail", message, "ingestd config check"))
        settings = Settings.model_construct()
        try:
            location = locate(state_dir=state_dir)
        except IngestdError:
            location = Location(None, *_nowhere())
    parts = (check_system, check_host, check_parts, check_store, check_language)
    for check in (check for part in parts for check in part.CHECKS):
        findings += run(check, settings, location)
    return findings


def _nowhere() -> tuple[Path, Path, str]:
    """Where things would be without any configuration."""
    from pathlib import Path

    base = Path.home()
    state = base / ".local/state/ingestd"
    return state, base / ".cache/ingestd", f"sqlite:///{state / 'state.db'}"
