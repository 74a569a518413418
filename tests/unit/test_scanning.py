"""Whether pictures of text can be read: what is asked, what is missing, what is remembered."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from ingestd.embed import scanning
from ingestd.embed.extract.scans import Reading
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = ExtractSettings()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program called tesseract, and no other, on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    def put(script: str) -> None:
        file = folder / "tesseract"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return put


def test_the_languages_are_those_that_are_asked_for_and_there(
    program: Callable[[str], None],
) -> None:
    """In the order of the configuration; bounds go along."""
    program("printf 'List of available languages:\\neng\\nosd\\nkor\\n'")
    found = scanning.found(SETTINGS)
    assert (found.reading, found.languages, found.missing) == (Reading.LATER, "kor+eng", "")
    assert (found.pixels, found.pages) == (SETTINGS.ocr_pixels, SETTINGS.ocr_pages)
    assert found.now().reading is Reading.NOW
    english = scanning.found(ExtractSettings(ocr_languages=("deu", "eng")))
    assert english.languages == "eng"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("printf 'List:\\ndeu\\n'", "no data for kor, eng"),
        ("exit 3", "does not answer"),
        ("sleep 60", "does not answer"),
        ("printf '\\377\\376'; exit 0", "no data for kor, eng"),
    ],
)
def test_what_is_missing_is_told(
    program: Callable[[str], None], script: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tesseract without data, one that fails, one that hangs, one that makes no sense."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/bin:/usr/bin")
    monkeypatch.setattr(scanning, "START_S", 0.5)
    program(script)
    found = scanning.found(SETTINGS)
    assert found.reading is Reading.NO
    assert told in found.missing
    assert found.now().reading is Reading.NO


def test_without_tesseract_and_without_ocr(program: Callable[[str], None], tmp_path: Path) -> None:
    """The first is told, the second is what somebody asked for; neither is news."""
    assert scanning.found(SETTINGS).missing == "tesseract is not installed"
    assert not scanning.changed(SETTINGS, tmp_path)
    program("printf 'List:\\nkor\\n'")
    off = ExtractSettings(ocr="off")
    assert (scanning.found(off).reading, scanning.found(off).missing) == (Reading.NO, "")
    assert not scanning.changed(off, tmp_path)


def test_what_is_installed_since_is_seen(program: Callable[[str], None], tmp_path: Path) -> None:
    """The program, its data, the languages that are asked for; and it is remembered."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    program("exit 0")
    assert scanning.changed(SETTINGS, state_dir)
    scanning.remember(SETTINGS, state_dir)
    assert not scanning.changed(SETTINGS, state_dir)
    assert scanning.changed(ExtractSettings(ocr_languages=("eng",)), state_dir)
    os.utime(tmp_path, (1, 1))
    assert scanning.changed(SETTINGS, state_dir)
    scanning.remember(SETTINGS, state_dir)
    assert not scanning.changed(SETTINGS, state_dir)
    (tmp_path / "bin" / scanning.PROGRAM).unlink()
    assert scanning.changed(SETTINGS, state_dir)
    program("exit 0")
    scanning.remember(SETTINGS, state_dir)
    (state_dir / scanning.FILE).write_text("torn {")
    assert scanning.changed(SETTINGS, state_dir)
