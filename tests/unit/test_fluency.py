"""Whether a model knows a language, as its tokenizer tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from small_model import make_model

from ingestd.cli import check_language
from ingestd.config import Settings
from ingestd.embed.fluency import Fluency, measure
from ingestd.embed.model import locate
from ingestd.embed.tokenize import ModelTokenizer
from ingestd.location import locate as places
from ingestd.reconcile import Reconciler
from ingestd.roots import known_sources
from ingestd.settings.content import ModelSettings
from ingestd.tables import open_state
from ingestd_state import sources

if TYPE_CHECKING:
    from pathlib import Path

ENGLISH = "The daemon reads the files again when they have changed, and cuts them into chunks. "
KOREAN = "파일이 바뀌면 문서를 다시 읽어 조각으로 나누고, 바뀐 조각만 새로 임베딩합니다. "
RUSSIAN = "Когда файл меняется, документ читается снова и делится на части. "


def test_a_model_knows_its_own_language() -> None:
    """The packaged model: English is words, Korean and Russian are single characters."""
    texts = [ENGLISH * 20, KOREAN * 30, RUSSIAN * 20]
    found = {one.language: one for one in measure(texts, ModelTokenizer(locate("")))}
    assert {code for code, one in found.items() if one.foreign} == {"ko", "ru"}
    assert found["en"].characters_a_token > 4
    assert found["ko"].characters_a_token < 1.2


def test_digits_and_signs_do_not_count() -> None:
    """A table of figures between the words makes no language foreign."""
    texts = [ENGLISH + "| 1.25 | 77,31 | -0.5 |\n" * 20 for _ in range(20)]
    [english] = measure(texts, ModelTokenizer(locate("")))
    assert not english.foreign


def test_unknown_tokens_are_counted(tmp_path: Path) -> None:
    """A tokenizer of Latin letters alone knows nothing of Korean."""
    make_model(tmp_path)
    tokenizer = ModelTokenizer(locate(str(tmp_path)))
    tokens, unknown = tokenizer.known("가나 the")
    assert (tokens, unknown) == (4, 1)
    [korean] = measure([KOREAN * 50], tokenizer)
    assert korean.foreign
    assert korean.unknown_share > 0.3


def test_little_of_a_language_says_nothing() -> None:
    """A sentence in another language is no reason for another model."""
    texts = [ENGLISH * 100, KOREAN * 5]
    assert [one.language for one in measure(texts, ModelTokenizer(locate("")))] == ["en"]


@pytest.mark.parametrize(
    ("code", "characters", "unknown", "foreign"),
    [
        ("en", 470, 0, False),
        ("de", 250, 0, False),
        ("ru", 120, 0, True),
        ("ko", 110, 0, True),
        ("ko", 190, 0, False),
        ("zh", 148, 0, False),
        ("zh", 148, 5, True),
    ],
)
def test_the_thresholds_lie_between_what_was_measured(
    code: str, characters: int, unknown: int, *, foreign: bool
) -> None:
    """Known and unknown languages are told apart."""
    assert Fluency(code, 1, characters, 100, unknown).foreign is foreign


def test_doctor_warns_of_a_foreign_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample of the indexed files is read; a file that is gone or torn is passed over."""
    monkeypatch.setenv("INGESTD_CACHE_DIR", str(tmp_path / "cache"))
    location = places(state_dir=tmp_path / "state")
    assert list(check_language.language(Settings(), location)) == []
    docs = tmp_path / "docs"
    docs.mkdir()
    location.state_dir.mkdir()
    database, cache = open_state(location)
    for number in range(6):
        (docs / f"{number}.md").write_text(f"# 문서 {number}\n\n{KOREAN * 20}\n", "utf-8")
    (docs / "torn.html").write_bytes(b"\0\xff")
    with database.write() as connection:
        sources.ensure(connection, "docs", os.fsencode(docs), "c", "{}")
    Reconciler(database).reconcile(known_sources(database)["docs"])
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE documents SET status = 'indexed'")
    (docs / "0.md").unlink()
    database.close()
    cache.close()
    [found] = check_language.language(Settings(), location)
    assert (found.name, found.level) == ("language", "warn")
    assert "does not know ko: ko: 0." in found.message
    assert "ingestd model add" in found.mend
    assert list(check_language.language(Settings(model=ModelSettings(name="hash")), location)) == []
    # A child reads the files, and what it logs is no line of the answer.
    command = [sys.executable, "-m", "ingestd", "doctor", "--json"]
    told = subprocess.run(
        [*command, "--state-dir", str(location.state_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "language" in [json.loads(line).get("name") for line in told.stdout.splitlines()]
