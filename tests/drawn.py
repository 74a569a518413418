"""Pictures of text, drawn for tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT = Path("/usr/share/fonts/truetype/nanum/NanumGothic.ttf")
KOREAN = (
    "설치 프로그램은 디스크를 나누고 기본 시스템을 설치합니다.",
    "네트워크를 설정한 다음 사용자 이름과 암호를 묻습니다.",
    "설치가 끝나면 컴퓨터를 다시 시작하고 로그인합니다.",
)
ENGLISH = (
    "The installer partitions the disk and installs the base system.",
    "It configures the network, and asks for a name and a password.",
)
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None or not FONT.exists(),
    reason="tesseract-ocr, tesseract-ocr-kor and fonts-nanum are not installed",
)


def page(
    lines: Sequence[str], *, width: int = 2000, height: int = 700, size: int = 44
) -> Image.Image:
    """A page as a scanner gives it, in grey, 300 pixels in an inch."""
    picture = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(FONT), size) if FONT.exists() else ImageFont.load_default(size)
    for number, line in enumerate(lines):
        draw.text((100, 100 + 2 * size * number), line, fill=20, font=font)
    return picture


def words_found(lines: Sequence[str], text: str) -> float:
    """The share of the words of some lines that are in a text."""
    words = " ".join(lines).split()
    return sum(word in text for word in words) / len(words)
