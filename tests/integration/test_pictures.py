"""Pictures of text through the whole program: found, skipped with a reason, and in nobody's way."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from daemon import Daemon, contents, eventually, ingestd
from drawn import ENGLISH, KOREAN, needs_tesseract, page, words_found
from pypdf import PdfWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [needs_tesseract, pytest.mark.slow]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with a note."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "note.md").write_text("# Note\n\nsome words\n", "utf-8")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory."""
    return tmp_path / "state"


def run(docs: Path, state: Path, **options: str) -> tuple[dict[str, Any], list[str]]:
    """Index once; the report, and the names of the documents in the order they were indexed."""
    done = ingestd("run", docs, "--once", "--json", "--state-dir", state, **options)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    order = [line["path"] for line in lines if line["event"] == "document_indexed"]
    return json.loads(done.stdout), order


def texts(state: Path, name: str) -> dict[int | None, str]:
    """What is in the collection of a file, by page."""
    found: dict[int | None, str] = {}
    for text, metadata, _ in contents(state).values():
        if metadata["path"] == name:
            number = metadata.get("page")
            found[number] = f"{found.get(number, '')}\n{text}"
    return found


def why(docs: Path, state: Path, name: str) -> str:
    """What is said of a file."""
    return ingestd("why", docs / name, "--state-dir", state).stdout


def mixed(path: Path, first: Path) -> None:
    """A PDF whose first page is a picture, and whose second one is empty."""
    writer = PdfWriter()
    writer.append(str(first))
    writer.add_blank_page(400, 400)
    writer.write(str(path))


def test_pictures_of_text_are_found(docs: Path, state: Path, tmp_path: Path) -> None:
    """In Korean and English, with the numbers of their pages, after everything else."""
    page(KOREAN).save(docs / "a.png", dpi=(300, 300))
    page(ENGLISH).save(docs / "b.jpg", dpi=(300, 300))
    scan = tmp_path / "scan.pdf"
    pages = [page(KOREAN), page(ENGLISH)]
    pages[0].save(scan, save_all=True, append_images=pages[1:], resolution=300)
    mixed(docs / "c.pdf", scan)
    report, order = run(docs, state)
    assert report["documents"]["indexed"] == 4
    assert order[0] == "note.md"
    assert words_found(KOREAN, texts(state, "a.png")[None]) >= 0.85
    assert words_found(ENGLISH, texts(state, "b.jpg")[None]) >= 0.95
    # The pages are so short that they share a chunk, which begins on the first one.
    found = texts(state, "c.pdf")
    assert {*found} == {1}
    assert words_found(KOREAN, found[1]) >= 0.85
    assert words_found(ENGLISH, found[1]) >= 0.95
    # What was read once is not read again.
    again, order = run(docs, state)
    assert (order, again["documents"]["indexed"]) == ([], 0)
    assert ingestd("check", "--deep", "--state-dir", state).returncode == 0


def test_without_tesseract_they_are_skipped_until_it_is_there(
    docs: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a reason, and what would help; the start after its installation reads them."""
    page(ENGLISH).save(docs / "a.png", dpi=(300, 300))
    page(ENGLISH).save(docs / "b.pdf", resolution=300)
    usual = os.environ["PATH"]
    monkeypatch.setenv("PATH", "/nonexistent")
    report, order = run(docs, state)
    assert (order, report["documents"]["skipped"]) == (["note.md"], 2)
    for name in ("a.png", "b.pdf"):
        said = why(docs, state, name)
        assert "no text" in said
        assert "tesseract is not installed" in said
        assert "apt-get install tesseract-ocr" in said
    assert run(docs, state)[0]["documents"]["indexed"] == 0
    doctor = ingestd("doctor", "--json", "--state-dir", state).stdout
    [found] = [one for one in map(json.loads, doctor.splitlines()) if one.get("name") == "OCR"]
    assert found["level"] == "ok"
    assert "apt-get install" in found["mend"]

    monkeypatch.setenv("PATH", usual)
    report, order = run(docs, state)
    assert sorted(order) == ["a.png", "b.pdf"]
    assert words_found(ENGLISH, texts(state, "b.pdf")[1]) >= 0.95


def test_ocr_can_be_switched_off(docs: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one line, and on again."""
    page(ENGLISH).save(docs / "a.png", dpi=(300, 300))
    monkeypatch.setenv("INGESTD_EXTRACT__OCR", "off")
    config = docs.with_name("ingestd.toml")
    config.write_text('[extract]\nocr = "off"\n', "utf-8")
    said = ingestd("run", docs, "--once", "--json", "--state-dir", state, "--config", config)
    assert json.loads(said.stdout)["documents"]["skipped"] == 1
    assert "OCR is off" in why(docs, state, "a.png")
    assert run(docs, state)[1] == ["a.png"]


@pytest.fixture
def daemon(docs: Path, state: Path) -> Iterator[Daemon]:
    """A running daemon."""
    made = Daemon(docs, state).start()
    yield made
    if made.process.poll() is None:
        made.kill()


def test_a_save_overtakes_a_scan_and_a_stop_does_not_wait_for_it(
    daemon: Daemon, docs: Path, state: Path
) -> None:
    """Pages take seconds each; what is left of them is read after the next start."""
    pages = [page(KOREAN * 8, height=2600) for _ in range(4)]
    pages[0].save(docs / "scan.tif", save_all=True, append_images=pages[1:], dpi=(300, 300))
    eventually(lambda: "working" in why(docs, state, "scan.tif"))
    (docs / "new.md").write_text("# New\n\nfresh words\n", "utf-8")
    eventually(lambda: "new.md" in {one["path"] for one in daemon.events("document_indexed")})
    assert "indexed" not in why(docs, state, "scan.tif").partition("reason")[0]
    assert daemon.stop() == -signal.SIGTERM
    report, order = run(docs, state)
    assert order == ["scan.tif"]
    assert {*texts(state, "scan.tif")} >= {1, 2, 3}  # the last may end in a chunk of the third
    assert report["errors"] == []
