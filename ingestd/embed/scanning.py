"""Whether pictures of text can be read here, and what is to be read again once they can.

tesseract is asked in a process of its own, at each start that opens everything. What it stands on
is remembered by its looks, so that a glance can tell that something was installed since.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from .extract.scans import Reading, Scans

if TYPE_CHECKING:
    from ingestd.settings.content import ExtractSettings

log = structlog.get_logger(__name__)

FILE = "ocr.json"
PROGRAM = "tesseract"
START_S = 20.0
_DATA = Path("/usr/share/tesseract-ocr")


def found(settings: ExtractSettings) -> Scans:
    """How pictures of text are read here: by somebody else and later, or not at all."""
    bounded = Scans(pixels=settings.ocr_pixels, pages=settings.ocr_pages)
    if settings.ocr == "off":
        return bounded
    if importlib.util.find_spec("PIL") is None:
        return replace(bounded, missing="Pillow is not installed")
    languages, missing = _languages()
    if missing:
        return replace(bounded, missing=missing)
    usable = [one for one in settings.ocr_languages if one in languages]
    if not usable:
        asked = ", ".join(settings.ocr_languages)
        return replace(bounded, missing=f"tesseract has no data for {asked}")
    return replace(bounded, reading=Reading.LATER, languages="+".join(usable))


def version() -> str:
    """The version of tesseract; empty without it."""
    return _asked("--version").partition("\n")[0].removeprefix("tesseract ").strip()


def changed(settings: ExtractSettings, state_dir: Path) -> bool:
    """Whether something was installed, or removed, since the last start that opened everything."""
    return _looks(settings) != _remembered(state_dir)


def remember(settings: ExtractSettings, state_dir: Path) -> None:
    """Write down what reading pictures stands on at this start."""
    fresh = state_dir / f"{FILE}.{os.getpid()}"
    try:
        fresh.write_text(json.dumps({"looks": _looks(settings)}) + "\n", "utf-8")
        fresh.replace(state_dir / FILE)
    except OSError as error:  # the next start looks again
        log.warning("ocr_not_remembered", error=str(error))


def _looks(settings: ExtractSettings) -> str:
    """What reading pictures stands on, as far as a look at the disk tells; empty: on nothing."""
    program = shutil.which(PROGRAM) if settings.ocr == "auto" else None
    if program is None or importlib.util.find_spec("PIL") is None:
        return ""
    seen = [*settings.ocr_languages]
    prefix = os.environ.get("TESSDATA_PREFIX")
    folders = [Path(prefix)] if prefix else sorted(_DATA.glob("*/tessdata"))
    for path in [Path(program), *folders]:
        with contextlib.suppress(OSError):
            seen.append(f"{path} {path.stat().st_mtime_ns}")
    return "\n".join(seen)


def _remembered(state_dir: Path) -> str:
    """The looks of the last start that opened everything; empty before the first one."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return str(json.loads((state_dir / FILE).read_text("utf-8"))["looks"])
    return ""


def _languages() -> tuple[set[str], str]:
    """The languages that tesseract has data for, and what is missing, if anything is."""
    if shutil.which(PROGRAM) is None:
        return set(), "tesseract is not installed"
    told = _asked("--list-langs").splitlines()
    if not told:
        return set(), f"`{PROGRAM} --list-langs` does not answer"
    return {line.strip() for line in told[1:]}, ""


def _asked(option: str) -> str:
    """What tesseract says; empty where it says nothing."""
    try:
        answer = subprocess.run(
            [PROGRAM, option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=START_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace")
