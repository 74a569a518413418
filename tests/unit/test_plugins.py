"""Plug-ins: the one of the documentation works, and a broken one takes nothing down."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.cli.check_parts import plugins as doctor
from ingestd.config import Settings
from ingestd.embed import model
from ingestd.embed.cutting import Cutting
from ingestd.embed.extract import plugin as plugin_module
from ingestd.embed.extract.plugged import checked
from ingestd.embed.extract.plugin import Plugin
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading import plugins as plugins_module
from ingestd.embed.reading.parts import Batch, Head
from ingestd.embed.reading.plugins import FILE, installed
from ingestd.embed.reading.pool import Pool
from ingestd.errors import ExtractionError
from ingestd.location import Location
from ingestd.pipeline import pipeline_version
from ingestd.ports import Block, Extracted, Table
from ingestd.settings.content import ExtractSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.embed.reading.parts import Part

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
SPEC = model.locate("hash")
CUTTING = Cutting(SPEC.max_tokens)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package of one module, as an installer would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)

    def install(
        source: str, entry: str = "cards = cardfiles:Cards", name: str = "cardfiles"
    ) -> None:
        (site / f"{name}.py").write_text(source)
        info = site / f"{name}-1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[ingestd.extractors]\n{entry}\n")
        sys.modules.pop(name, None)

    return install


@pytest.fixture
def documented() -> tuple[str, str]:
    """Class and entry point of the documentation."""
    text = PAGE.read_text("utf-8")
    [entry] = re.findall(r"```toml\n\[.*?\]\n(.*?)\n```", text)
    [source] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return source, entry.replace('"', "")


def cut(tmp_path: Path, data: bytes, name: bytes, plugins: tuple[Plugin, ...]) -> list[Part]:
    """What the child makes of a file."""
    path = tmp_path / "file"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    pool = Pool(SPEC, CUTTING, ExtractSettings(), plugins=plugins)
    try:
        return list(pool.cut(fd, name, len(data)))
    finally:
        pool.close()
        os.close(fd)


def test_the_plugin_of_the_documentation_works(
    install: Callable[..., None], documented: tuple[str, str], tmp_path: Path
) -> None:
    """From the entry point to chunks with titles, headings and pages."""
    install(*documented)
    plugins = installed(tmp_path)
    assert plugins == (Plugin("cards", "cardfiles:Cards", "1", ("cards",), "text/x-cards"),)
    data = "첫째\n하나\n\n둘\n--\nSecond\nsome text\n".encode()
    parts = cut(tmp_path, data, b"box.CARDS", plugins)
    chunks = [chunk for part in parts if isinstance(part, Batch) for chunk in part.chunks]
    assert parts[0] == Head("첫째", "text/x-cards")
    assert [(chunk.text, chunk.headings, chunk.page) for chunk in chunks] == [
        ("첫째\n\n하나\n\n둘", ("첫째",), 1),
        ("Second\n\nsome text", ("Second",), 2),
    ]
    with pytest.raises(SkipDocument, match="no text: no cards"):
        cut(tmp_path, b" ", b"box.cards", plugins)
    assert cut(tmp_path, b"words", b"a.txt", plugins)[0] == Head("", "text/plain")


def test_a_plugin_is_part_of_the_pipeline_version(documented: tuple[str, str]) -> None:
    """Its name and version, but not whether it works just now."""
    plugin = Plugin("cards", "cardfiles:Cards", "1", ("cards",), "text/x-cards")
    versions = [
        pipeline_version(CUTTING, SPEC, plugins=plugins)
        for plugins in (
            (),
            (plugin,),
            (replace(plugin, version="2"),),
            (replace(plugin, name="other"),),
            (replace(plugin, problem="broken"),),
            (Plugin("new", "never:worked", problem="broken"),),
        )
    ]
    assert len(set(versions[:4])) == 4
    assert versions[4] == versions[1]
    assert versions[5] == versions[0]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import os; os._exit(7)", "status 7"),
        ("import os; os.abort()", "status -6"),
        ("import nowhere", "No module named 'nowhere'"),
        ("class Other: pass", "no attribute 'Cards'"),
        ("class Cards: suffixes = 'cards'; mime = 'a/b'; version = '1'", "no list"),
        ("class Cards: suffixes = ['.a']; mime = 'a/b'; version = '1'", "no dot"),
        ("class Cards: suffixes = ['a']; mime = 'b'; version = '1'", "no media type"),
        ("class Cards: suffixes = ['a']; mime = 'a/b'; version = ''", "empty"),
        ("class Cards: suffixes = ['a']; mime = 'a/b'; version = '1'", "'read'"),
    ],
)
def test_a_broken_plugin_is_told(
    install: Callable[..., None], tmp_path: Path, source: str, problem: str
) -> None:
    """Whatever is wrong with it."""
    install(source)
    [plugin] = installed(tmp_path)
    assert problem in plugin.problem
    assert plugin.suffixes == ()


def test_a_plugin_that_breaks_is_remembered(
    install: Callable[..., None], documented: tuple[str, str], tmp_path: Path
) -> None:
    """Its documents fail with the reason, and are not taken for something else."""
    install(*documented)
    [sound] = installed(tmp_path)
    install("import nowhere")
    [broken] = installed(tmp_path)
    assert replace(broken, problem="") == sound
    with pytest.raises(ExtractionError, match=r"plug-in cards cannot be used.*nowhere"):
        cut(tmp_path, b"title\ntext", b"box.cards", (broken,))
    assert json.loads((tmp_path / FILE).read_text())[0]["problem"] == ""
    location = Location(None, tmp_path, tmp_path, "sqlite://")
    [finding] = doctor(Settings.model_construct(), location)
    assert (finding.name, finding.level) == ("plug-in cards", "fail")
    install(*documented)
    assert installed(tmp_path) == (sound,)
    [finding] = doctor(Settings.model_construct(), location)
    assert (finding.level, finding.message) == ("ok", "text/x-cards 1 (.cards)")


def test_a_plugin_that_hangs_is_not_waited_for(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a start may take."""
    monkeypatch.setattr(plugins_module, "START_S", 1.0)
    install("import time; time.sleep(1000)")
    [plugin] = installed(tmp_path)
    assert "does not answer" in plugin.problem


def test_without_plugins_nothing_is_asked_or_written(tmp_path: Path) -> None:
    """Most have none."""
    assert installed(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


FAILING = """
import os
from ingestd.extractors import Composer, Extracted, Table
class Cards:
    suffixes = ["cards"]
    mime = "text/x-cards"
    version = 1
    def read(self, file, name):
        order = file.read().decode()
        if order == "raise":
            raise KeyError("a key")
        if order == "die":
            os.abort()
        if order == "nothing":
            return
        if order == "nonsense":
            yield "text"
        if order == "nul":
            yield Extracted("a" + chr(0), "", "", [])
        if order == "row":
            yield Table("a | b", ["c", chr(0xd800)])
        yield Extracted("some text" + chr(10) * 2 + "more", "Title", "", [])
"""


def test_what_a_plugin_does_is_a_failure_of_the_document(
    install: Callable[..., None], tmp_path: Path
) -> None:
    """With its name, and in the child."""
    install(FAILING)
    plugins = installed(tmp_path)
    assert plugins[0].version == "1"
    for order, said in (
        ("raise", "the plug-in cards failed: KeyError: 'a key'"),
        ("die", "was ended by SIGABRT"),
        ("nonsense", "no section"),
        ("nul", "no store takes"),
        ("row", "no store takes"),
    ):
        with pytest.raises(ExtractionError, match=re.escape(said)):
            cut(tmp_path, order.encode(), b"a.cards", plugins)
    with pytest.raises(SkipDocument, match="no text"):
        cut(tmp_path, b"nothing", b"a.cards", plugins)
    _, batch, _ = cut(tmp_path, b"fine", b"a.cards", plugins)
    assert isinstance(batch, Batch)
    assert [chunk.text for chunk in batch.chunks] == ["some text\n\nmore"]


@pytest.mark.parametrize(
    ("section", "error"),
    [
        (None, TypeError),
        (Extracted("text", "", "", [Block(0, 9)]), ValueError),
        (Extracted("text", "", "", [Block(0, 3), Block(2, 4)]), ValueError),
        (Extracted("text", "", "", [Block(-1, 3)]), ValueError),
        (Extracted("text", "", "", [Block(0, 4, page=0)]), ValueError),
        (Extracted("text", "", "", [Block(0, 4, page=True)]), ValueError),
        (Table("\0", []), ValueError),
        (Table("", [], page=-1), ValueError),
    ],
)
def test_sections_that_make_no_sense(section: Any, error: type[Exception]) -> None:
    """They are refused before they are cut."""
    with pytest.raises(error):
        checked(section)


def test_sections_are_put_right() -> None:
    """Paragraphs where there are no blocks; headings of a bearable number and length."""
    found = checked(Extracted("a\n\nb", "t\nt", "", ()))
    assert isinstance(found, Extracted)
    assert (found.title, [block.start for block in found.blocks]) == ("t t", [0, 3])
    found = checked(Extracted("a", "", "", [Block(0, 1, ("x" * 1_000,) * 50)]))
    assert isinstance(found, Extracted)
    assert (len(found.blocks[0].headings), len(found.blocks[0].headings[0])) == (12, 300)


def test_a_plugin_comes_before_our_own_reader(
    install: Callable[..., None], documented: tuple[str, str], tmp_path: Path
) -> None:
    """Also where its suffix is one of binary files."""
    source, entry = documented
    install(source.replace('("cards",)', '("dwg", "docx")'), entry)
    plugins = installed(tmp_path)
    for name in (b"a.dwg", b"a.docx"):
        assert cut(tmp_path, b"one\ntwo", name, plugins)[0] == Head("one", "text/x-cards")


def test_the_program_that_asks_tells_on_its_last_line(
    install: Callable[..., None], documented: tuple[str, str], tmp_path: Path
) -> None:
    """What a plug-in prints when it is loaded does no harm."""
    source, entry = documented
    install(f"print('hello')\n{source}", entry)
    assert installed(tmp_path)[0].problem == ""
    assert plugin_module.GROUP == "ingestd.extractors"


def test_what_a_plugin_gives_is_brought_into_the_normal_form() -> None:
    """As texts: letters that a Mac took apart, full width, newlines. Blocks keep their place."""
    apart = unicodedata.normalize("NFD", "한글 문서")
    text = f"{apart}\r\n\r\n\uff11\uff12 쪽\r\n"
    second = text.index("\uff11")
    blocks = [Block(0, len(apart)), Block(second, second + 4, page=2)]
    given = checked(Extracted(text, apart, "", blocks))
    assert isinstance(given, Extracted)
    assert (given.text, given.title) == ("한글 문서\n\n12 쪽\n", "한글 문서")
    assert [given.text[block.start : block.end] for block in given.blocks] == ["한글 문서", "12 쪽"]
    table = checked(Table(apart, [f"{apart} | 1"]))
    assert isinstance(table, Table)
    assert (table.header, list(table.rows)) == ("한글 문서", ["한글 문서 | 1"])
