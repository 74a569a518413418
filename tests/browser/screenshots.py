"""Pictures of the page, of a real daemon with the packaged model: for the documentation.

    python tests/browser/screenshots.py docs/images

It needs Debian's Chromium and playwright, like the tests beside it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from playwright.sync_api import sync_playwright
from shown import CHROMIUM, Shown, eventually, fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}


def take(browser: Browser, url: str, path: Path, **options: Any) -> None:
    """One picture of what a screen shows."""
    settings: dict[str, Any] = {"locale": "en-GB", "viewport": WIDE, **options}
    context = browser.new_context(**settings)
    page = context.new_page()
    with page.expect_response(lambda answer: "/events" in answer.url):
        page.goto(url)
    page.wait_for_timeout(2500)
    page.screenshot(path=path)
    context.close()
    sys.stdout.write(f"{path}\n")


def handbook(folder: Path) -> None:
    """Real documents: what this project says of itself."""
    folder.mkdir()
    for page in sorted((ROOT / "docs").glob("*.md")):
        shutil.copy(page, folder)


def is_idle(daemon: Shown) -> bool:
    """Whether nothing waits."""
    counts = httpx.get(f"{daemon.url}/v1/status").json()["documents"]
    return bool(counts["indexed"]) and counts["pending"] + counts["working"] == 0


def main() -> None:
    """Start daemons, look at their pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("to", type=Path)
    to: Path = parser.parse_args().to
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        place = Path(temporary)
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        nothing = place / "nothing"
        nothing.mkdir()
        real = {"MODEL__NAME": ""}
        with Shown(nothing, state=place / "empty", **real) as daemon:
            take(browser, daemon.url, to / "page-empty.png")
        docs = place / "handbook"
        handbook(docs)
        daemon = Shown(docs, state=place / "state", **real)
        with daemon.log.open("wb") as log:
            daemon.launch(log)
        try:
            eventually(lambda: len(daemon.events("document_indexed")) > 5, 120)
            take(browser, daemon.url, to / "page-working.png")
            eventually(lambda: is_idle(daemon), 300)
            asked = f"{daemon.url}/?q=what+to+do+when+the+disk+is+full"
            take(browser, asked, to / "page-search.png")
            take(browser, asked, to / "page-dark.png", color_scheme="dark")
            take(browser, daemon.url, to / "page-korean.png", locale="ko-KR")
            take(browser, asked, to / "page-narrow.png", viewport=NARROW)
        finally:
            daemon.stop()
        with Shown(*fill(place / "harm"), state=place / "harmed", **real) as daemon:
            take(browser, daemon.url, to / "page-failures.png")


if __name__ == "__main__":
    main()
