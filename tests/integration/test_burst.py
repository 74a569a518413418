"""A burst: many files in many new directories at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from daemon import Daemon, eventually

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORIES = 500
FILES = 20_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_thousand_files_in_new_directories_are_all_recorded(tmp_path: Path) -> None:
    """Every file of a large copy into a watched root ends in the collection, none twice."""
    root = tmp_path / "docs"
    root.mkdir()
    (root / "first.md").write_text("# First\n\nBefore the burst.\n", encoding="utf-8")
    with Daemon(root, tmp_path / "state") as running:
        for number in range(FILES):
            folder = root / "burst" / f"{number % DIRECTORIES:03}"
            if number < DIRECTORIES:
                folder.mkdir(parents=True)
            (folder / f"{number}.txt").write_text(f"small file {number}\n", encoding="utf-8")
        handle = running.collection()
        eventually(lambda: handle.count() >= FILES + 1, 480)
        assert handle.count() == FILES + 1
