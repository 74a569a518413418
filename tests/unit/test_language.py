"""Which language a text is in."""

from __future__ import annotations

import pytest

from ingestd.embed.language import language, shrink


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The daemon watches a folder and embeds every document that changes.", "en"),
        ("데몬은 폴더를 지켜보다가 바뀐 문서를 임베딩한다.", "ko"),
        ("FastAPI의 `Depends()`를 사용하는 방법을 설명합니다 (see OAuth2 scopes).", "ko"),
        ("大韓民國은 民主共和國이다. 大韓民國의 主權은 國民에게 있다.", "ko"),
        ("`kubectl apply -f`로 ConfigMap을 배포하고 rollout status 확인", "ko"),
        ("The 한글 alphabet was made by King Sejong, and the word means great script.", "en"),
        ("安装", ""),
        ("これは日本語の文章です。漢字も入っています。", "ja"),
        ("Die Bundesregierung hat gestern beschlossen, dass die Regeln geändert werden.", "de"),
        ("Ceci est une phrase écrite en français pour essayer le programme.", "fr"),
        ("这是一个用来测试语言识别的中文句子。内容并不重要。只要足够长就可以了。", "zh"),
        ("Это предложение написано на русском языке для проверки.", "ru"),
    ],
)
def test_languages(text: str, code: str) -> None:
    """Common languages are told apart; a word or two of ideographs are not enough."""
    assert language(text) == code


@pytest.mark.parametrize(
    "text", ["", "   ", "42 + 17 = 59", "x = f(1)", "--- *** ---", "1. 2. 3. 4."]
)
def test_too_few_letters(text: str) -> None:
    """Numbers, marks and a few letters are in no language."""
    assert language(text) == ""


def test_short_korean_is_korean() -> None:
    """The script decides, also for one short line."""
    assert language("설치 방법") == "ko"


def test_only_the_beginning_counts() -> None:
    """Text behind the first thousand characters changes nothing."""
    english = "The daemon watches a folder and embeds every document that changes. " * 20
    assert language(english + "한국어 " * 100_000) == "en"


def test_the_tables_can_be_let_go() -> None:
    """When memory is short they leave it, and are read again when somebody asks."""
    german = "Die Bundesregierung hat gestern beschlossen, dass die Regeln geändert werden."
    assert language(german) == "de"
    shrink()
    assert language(german) == "de"
