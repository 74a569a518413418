"""Mails and archives through the whole program: what is found, and what is said."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import docx
import pytest
from daemon import contents, ingestd

if TYPE_CHECKING:
    from pathlib import Path

KIND = "vnd.openxmlformats-officedocument.wordprocessingml.document"


def _word(heading: str, text: str) -> bytes:
    document: Any = docx.Document()
    document.add_heading(heading, 1)
    document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _mail() -> bytes:
    """As an old Korean program sends it: with a document, and a mail that was forwarded."""
    inner = EmailMessage()
    inner["Subject"] = "견적 요청"
    inner["From"] = "Lee <lee@example.com>"
    inner.set_content("삼월 견적을 보내 주세요.\n", charset="euc-kr")
    mail = EmailMessage()
    mail["From"] = "홍길동 <hong@example.com>"
    mail["To"] = "kim@example.com"
    mail["Date"] = "Thu, 05 Mar 2026 14:03:00 +0900"
    mail.set_content("회의록을 첨부합니다.\n", charset="euc-kr")
    mail.add_attachment(
        _word("결정 사항", "예산을 승인했습니다."),
        maintype="application",
        subtype=KIND,
        filename="회의록.docx",
    )
    mail.add_attachment(inner)
    subject = "주간 회의".encode("euc-kr")
    return b"Subject: " + subject + b"\n" + mail.as_bytes().replace(b"euc-kr", b"ks_c_5601-1987")


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("안내/시작.md", "# 시작하기\n\n설치는 세 단계입니다.\n")
        archive.writestr("보고.docx", _word("요약", "매출이 늘었습니다."))
        archive.writestr("id_rsa", "no key, but named like one\n")
        archive.writestr("a.png", b"\x89PNG\0")
    return out.getvalue()


class Instance:
    """An instance that is run again and again."""

    def __init__(self, place: Path) -> None:
        self.docs = place / "docs"
        self.docs.mkdir()
        self._place = place

    def run(self, **extract: object) -> dict[str, Any]:
        """Index with these settings, and return the report."""
        config = self._place / "ingestd.toml"
        lines = [f"{name} = {json.dumps(value)}" for name, value in extract.items()]
        config.write_text("\n".join(["[extract]", *lines]), "utf-8")
        report = self._said("run", self.docs, "--once", "--json", "--config", config)
        return json.loads(report)  # type: ignore[no-any-return]

    def why(self, name: str) -> str:
        """What is said of a file."""
        return self._said("why", self.docs / name)

    def texts(self, name: str) -> dict[str, str]:
        """The chunks of a file: their headings, and their texts."""
        return {
            str(metadata.get("headings", "")): text
            for text, metadata, _ in contents(self._place / "state").values()
            if metadata["path"] == name
        }

    def _said(self, verb: str, *rest: str | Path) -> str:
        done = ingestd(verb, *rest, "--state-dir", self._place / "state")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """One whose folder is empty."""
    return Instance(tmp_path)


def test_a_korean_mail_is_found_with_all_that_is_attached(instance: Instance) -> None:
    """Each under its own headings, and all of it under the title of the mail."""
    (instance.docs / "회의.eml").write_bytes(_mail())
    instance.run()
    found = instance.texts("회의.eml")
    told = "\n".join(f"{headings}: {text}" for headings, text in found.items())
    for words in ("주간 회의", "홍길동 <hong@example.com>", "회의록을 첨부합니다."):
        assert words in told
    assert any("회의록.docx" in h and "예산을 승인했습니다." in t for h, t in found.items())
    assert any("견적 요청" in h and "삼월 견적" in t for h, t in found.items())
    assert "indexed" in instance.why("회의.eml")


def test_archives_are_read_where_they_are_asked_for(instance: Instance) -> None:
    """Off, on, and off again: each time the next start takes them up, or gives them up."""
    (instance.docs / "a.zip").write_bytes(_archive())
    (instance.docs / "b.md").write_text("# B\n\nwords\n", "utf-8")
    instance.run()
    assert instance.texts("a.zip") == {}
    assert "extract.archives = true" in instance.why("a.zip")

    report = instance.run(archives=True)
    found = instance.texts("a.zip")
    assert any("안내/시작.md" in h and "세 단계" in t for h, t in found.items())
    assert any("보고.docx" in h and "매출이" in t for h, t in found.items())
    assert not any("named like one" in text for text in found.values())
    assert report["documents"]["indexed"] == 2
    assert "indexed" in instance.why("a.zip")

    instance.run()
    assert instance.texts("a.zip") == {}
    assert instance.texts("b.md") != {}
    assert "extract.archives = true" in instance.why("a.zip")


def test_why_tells_what_was_left_out_and_how_deep(instance: Instance) -> None:
    """Of an archive of which nothing is left."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.zip", _archive())
        archive.writestr("id_rsa", "words")
    (instance.docs / "a.zip").write_bytes(out.getvalue())
    instance.run(archives=True, depth=1)
    said = instance.why("a.zip")
    assert "no text" in said
    assert "nested deeper than `extract.depth`" in said
    assert "secret" in said
