"""From bytes to text."""

from __future__ import annotations

import codecs
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.skip import BinaryFileError, SkipDocument, UndecodableError

KOREAN = (
    "문서를 읽고 조각으로 나눈다. 그 다음에 임베딩을 만든다.\n자세한 내용은 아래를 참고하세요.\n"
)
ENGLISH = "The quick brown fox jumps over the lazy dog.\nIt\u2019s “quoted” text.\n"
FRENCH = (
    "L\u2019été dernier, les élèves ont été très occupés à répéter leur pièce de théâtre. "
    "Où êtes-vous allés ? Nous espérons que la fête de Noël sera réussie.\n"
)
GERMAN = "Über den Äpfeln hängen Übungsblätter. Die Straße ist größer als früher geäußert.\n"


@pytest.mark.parametrize("text", [KOREAN, ENGLISH, FRENCH, "a"])
@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_byte_order_mark_and_utf8_are_believed(bom: bytes, encoding: str, text: str) -> None:
    """A marked or UTF-8 text comes out as it went in, without its mark."""
    assert decode(bom + text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_mark_is_not_binary(encoding: str) -> None:
    """UTF-16 and UTF-32 without a mark are text, also past the part that is sniffed."""
    text = (KOREAN + ENGLISH) * 200
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["euc-kr", "cp949"])
@pytest.mark.parametrize(
    "text", [KOREAN, "한글", KOREAN * 2000, "그는 “네.”라고 했다 ― 漢字도 쓴다."]
)
def test_korean_legacy_encodings(encoding: str, text: str) -> None:
    """Korean in EUC-KR and cp949 is read right, long or short."""
    assert decode(text.encode(encoding)) == text


def test_syllables_that_euc_kr_spells() -> None:
    """A syllable that KS X 1001 lacks comes in eight bytes, and is one again."""
    text = KOREAN + "펲시맨과 똠방각하를 만났다.\n"
    data = text.encode("euc_kr")
    assert len(data) > len(text.encode("cp949"))
    assert decode(data) == text


@pytest.mark.parametrize("text", [KOREAN, KOREAN * 2000, "그는 “네.”라고 했다.\n漢字도 쓴다.\n"])
def test_johab(text: str) -> None:
    """The encoding of early Korean word processors is read right."""
    assert decode(text.encode("johab")) == text


@pytest.mark.parametrize("text", [FRENCH, GERMAN, "日本語の文章です。テストします。\n" * 9])
@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp850", "shift_jis", "euc_jp", "gbk"])
def test_others_never_turn_into_johab(encoding: str, text: str) -> None:
    """Nothing but Korean reads as Korean."""
    try:
        decoded = decode(text.encode(encoding, "ignore"))
    except SkipDocument:
        return
    assert not any("\uac00" <= c <= "\ud7a3" for c in decoded)


def test_rare_syllables_of_cp949() -> None:
    """Syllables that only cp949 has do not spoil a Korean text."""
    text = KOREAN + "펲시맨과 똠방각하를 만났다.\n"
    assert decode(text.encode("cp949")) == text


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, GERMAN, "It\u2019s here.\n", "Ärger mit Äpfeln"])
def test_western_text_never_turns_korean(text: str) -> None:
    """cp1252 text that cp949 would accept too is not taken for Korean."""
    decoded = decode(text.encode("cp1252"))
    assert not any("\uac00" <= c <= "\ud7a3" or "\u4e00" <= c <= "\u9fff" for c in decoded)


@pytest.mark.parametrize("text", [FRENCH, GERMAN])
def test_western_text_is_guessed(text: str) -> None:
    """Text in cp1252 with enough accents comes out right."""
    assert decode((text * 5).encode("cp1252")) == text * 5


SHORT = [
    ("ist für Benutzer", "cp1252"),
    ("Berechtigungen für den Ordner ändern", "cp1252"),
    ("Bitte geben Sie »Größe« und »Länge« an.", "cp1252"),
    ("référence non implémentée", "cp1252"),
    ("la valeur «\xa0%s\xa0» est prés", "cp1252"),
    ("Année;Quartier;Prix moyen\n2019;Écusson;80\n", "cp1252"),
    ("necesita estar más cerca; sólo los años", "cp1252"),
    ("Los archivos de configuración están dañados; inténtelo más tarde. " * 200, "cp1252"),
    ("文件 %s 无法打开", "gbk"),
    ("请选择要安装的软件包，然后继续。", "gbk"),
    ("連線逾時，請檢查設定檔。", "big5"),
    ("複数のファイルを削除できません", "shift_jis"),
    ("設定ファイルが見つかりません", "euc_jp"),
    ("Не удалось открыть файл настроек", "cp1251"),
    ("Не удалось открыть файл настроек", "koi8-r"),
    ("Prüfen, ob für alle Länder größere Beträge gebucht würden.\n" * 3, "cp850"),
    ("Les élèves ont répété la pièce de théâtre à la fête.\n" * 3, "mac-roman"),
    ("El documento «%s» no está registrado.", "cp1252"),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy; ať žije chuť.", "iso8859-2"),
    ("Zażółć gęślą jaźń, mówią «nie» i idą dalej.", "cp1250"),
]


@pytest.mark.parametrize(("text", "encoding"), SHORT)
def test_short_texts_of_other_languages(text: str, encoding: str) -> None:
    """A few words are enough to tell the usual encodings of a language; none turns Korean."""
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["cp949", "johab"])
@pytest.mark.parametrize(
    "text",
    [
        "파일 (*.tar.xz)",
        "작업 '%(object)s' 생성",
        "수 없습니다.\n예\n아니오",
        "열 수 없음: %s",
        "스타일 (CR+LF)(W)\n",
        "관련된 개체\n`%(app_label)s'",
        "사용법: git interpret-trailers [--in-place] [(--trailer <토큰>)...] [<파일>...]",
    ],
)
def test_short_korean(text: str, encoding: str) -> None:
    """A few Korean words among signs and Latin letters are enough."""
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "damage",
    [
        (KOREAN * 5).encode()[:-2],
        (KOREAN * 5).encode() + "한".encode()[:2],
        KOREAN.encode() + b"\xff\n" + KOREAN.encode(),
        (ENGLISH * 20 + FRENCH * 5).encode() + b"\xe9\n",
    ],
)
def test_damaged_utf8_is_still_utf8(damage: bytes) -> None:
    """A character that was cut in two, or a stray byte, does not spoil the rest."""
    assert decode(damage) == damage.decode("utf-8", "replace")


def test_declared_encoding_counts_only_in_markup() -> None:
    """A meta charset decides where asked for, and never against UTF-8."""
    page = '<meta http-equiv="Content-Type" content="text/html; charset=shift_jis"><p>表示する'
    assert decode(page.encode("shift_jis"), markup=True) == page
    assert decode(page.encode(), markup=True) == page


@pytest.mark.parametrize(
    ("label", "encoding"), [("euc-kr", "cp949"), ("ks_c_5601-1987", "cp949"), ("gb2312", "gbk")]
)
def test_declared_label_means_its_superset(label: str, encoding: str) -> None:
    """A page labelled with the smaller encoding may use what the larger one adds."""
    body = "펲시맨" if encoding == "cp949" else "镕基"
    page = f"<html><head><meta charset='{label}'></head><body>{body}</body></html>"
    assert decode(page.encode(encoding), markup=True) == page


@pytest.mark.parametrize("label", ["unicode_escape", "utf-7", "rot13", "nonsense", "utf-16"])
def test_unsafe_declared_encodings_are_ignored(label: str) -> None:
    """A label that is no charset of the web changes nothing."""
    page = f'<meta charset="{label}"><p>\\ud800 {KOREAN}'
    assert decode(page.encode("cp949"), markup=True) == page


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01\0\0\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"text then\0 a NUL",
        bytes(range(1, 32)) * 10,
        random.Random(1).randbytes(20_000),
        b"GIF87a" + b"\x01\x02\x03" * 50,
        b"header\n" * 2000 + bytes(range(1, 9)) * 4000,
    ],
)
def test_binary_is_refused(data: bytes) -> None:
    """NUL bytes near the start, or many control characters anywhere, mean binary."""
    with pytest.raises(BinaryFileError) as caught:
        decode(data)
    assert caught.value.reason == "binary"


def test_random_16_bit_samples_are_binary() -> None:
    """Sound samples decode as UTF-16 by chance, but not to assigned characters."""
    rng = random.Random(2)
    data = b"".join(rng.randrange(0, 3000).to_bytes(2, "little") for _ in range(5000))
    with pytest.raises(BinaryFileError):
        decode(data)


def test_terminal_colours_and_overstrikes_are_text() -> None:
    """Escape and backspace characters do not make a log or a manual binary."""
    text = "\x1b[31merror\x1b[0m\n" + "N\bNA\bAM\bME\bE\n" * 5
    assert decode(text.encode()) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_logs_with_colours_are_text(encoding: str) -> None:
    """The same holds in UTF-16 without a mark."""
    text = "\x1b[31m오류\x1b[0m: 파일을 열 수 없습니다 N\bNA\bA\n" * 5
    assert decode(text.encode(encoding)) == text


def test_hole_in_a_log_reads_as_blanks() -> None:
    """NULs far behind the start never reach the text."""
    decoded = decode(b"a line of a log\n" * 2000 + b"\0" * 500 + b"end\n")
    assert "\0" not in decoded
    assert decoded.endswith(" end\n")


def test_newlines_are_line_feeds() -> None:
    """Windows and old Macintosh newlines become line feeds."""
    assert decode(b"a\r\nb\rc\n\r\nd") == "a\nb\nc\n\nd"


def test_empty_is_empty() -> None:
    """No bytes are an empty text, not an error."""
    assert decode(b"") == ""


def test_skips_cross_a_process_boundary() -> None:
    """Reason and detail survive pickling."""
    for skip in (BinaryFileError("NUL bytes"), UndecodableError(), SkipDocument("too big", "9 MB")):
        copy = pickle.loads(pickle.dumps(skip))  # noqa: S301 - our own bytes
        assert (type(copy), copy.reason, copy.detail) == (type(skip), skip.reason, skip.detail)


@given(st.binary(max_size=300))
def test_output_is_always_storable(data: bytes) -> None:
    """Whatever the bytes: a skip, or text without NUL, carriage return and lone surrogates."""
    try:
        text = decode(data, markup=True)
    except SkipDocument:
        return
    text.encode()
    assert "\0" not in text
    assert "\r" not in text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_utf8_survives(text: str) -> None:
    """Any UTF-8 text comes out unchanged, save for a byte order mark in front."""
    assert decode(text.encode()) == text.removeprefix("\ufeff")
