"""Archives: what is read of their members, and what keeps a bomb from going off."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from officefiles import packed as zipped
from packedfiles import letter, raw, read, told

from ingestd.embed.cutting import Cutting
from ingestd.embed.extract.bounds import MIB, Bounds, OverrunError, Packed
from ingestd.embed.extract.skip import (
    BinaryFileError,
    EncryptedError,
    NoTextError,
    UnsupportedError,
)
from ingestd.embed.model import locate
from ingestd.embed.reading.parts import Batch, Head
from ingestd.embed.reading.pool import Pool
from ingestd.embed.secrets.sealed import Sealed
from ingestd.errors import ExtractionError
from ingestd.pipeline import pipeline_version
from ingestd.settings.content import ExtractSettings
from ingestd.watch.defaults import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestd.embed.reading.parts import Part

MARKDOWN = "# 제목\n\n글입니다.\n"


def tar(parts: dict[str, bytes | str], mode: str = "w") -> bytes:
    """A tar archive of these files, in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in parts.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def encrypted(data: bytes) -> bytes:
    """A ZIP archive whose first member says that it is encrypted."""
    made = bytearray(data)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(signature) + place] |= 1
    return bytes(made)


PARTS: dict[str, bytes | str] = {
    "docs/안내.md": MARKDOWN,
    "docs/table.csv": "이름,값\n가,1\n나,2\n".encode("cp949"),
    "a.png": b"\x89PNG\0\0",
    "mail.eml": raw(letter()),
    "empty.txt": "",
}
PATHS = ["docs/안내.md", "docs/table.csv", "mail.eml"]


def _id(value: object) -> str:
    """The name of a case; bytes are others each second."""
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.zip", zipped(PARTS)),
        ("a.tar", tar(PARTS)),
        ("a.tgz", tar(PARTS, "w:gz")),
        ("a.tar.gz", tar(PARTS, "w:gz")),
        ("a.tar.bz2", tar(PARTS, "w:bz2")),
        ("a.txz", tar(PARTS, "w:xz")),
        ("lie.zip", tar(PARTS, "w:xz")),
        ("lie.tgz", zipped(PARTS)),
    ],
    ids=_id,
)
def test_members_are_read_by_their_own_readers(name: str, made: bytes) -> None:
    """Each under its path; what an archive is, its content says."""
    found = read(made, name)
    assert list(dict.fromkeys(headings[0] for headings, _ in told(found))) == PATHS
    assert told(found)[:2] == [
        (("docs/안내.md", "제목"), "# 제목\n"),
        (("docs/안내.md", "제목"), "글입니다.\n"),
    ]
    assert (("mail.eml", "회의 결과"), "본문입니다.") in told(found)
    assert {section.title for section in found} == {""}


def test_archives_are_skipped_unless_they_are_asked_for() -> None:
    """The reason says how to ask; also within a mail."""
    for name in ("a.zip", "a.tar.gz", "a.tar"):
        with pytest.raises(BinaryFileError, match=r"extract\.archives = true"):
            read(zipped(PARTS), name, Packed())
    mail = letter()
    mail.add_attachment(zipped(PARTS), maintype="application", subtype="zip", filename="a.zip")
    assert len(told(read(raw(mail), "a.eml", Packed()))) == 3
    found = told(read(raw(mail), "a.eml"))[3:]
    assert found[0][0] == ("a.zip", "docs/안내.md", "제목")


def test_a_document_is_no_archive_whatever_its_name() -> None:
    """Nor is an archive a document."""
    document = zipped(
        {"word/document.xml": "<w:document xmlns:w='w'><w:p><w:t>글</w:t></w:p></w:document>"}
    )
    assert [text for _, text in told(read(document, "a.zip"))] == ["글"]
    with pytest.raises(UnsupportedError):
        read(zipped(PARTS), "a.docx")
    with pytest.raises(UnsupportedError):
        read(b"just words", "a.zip")


def test_names_of_korean_archives_are_decoded() -> None:
    """Windows writes them as CP949, and says nothing of it."""
    made = zipped({"AAAA.txt": "글"})
    name = "한글".encode("cp949")
    assert [h for h, _ in told(read(made.replace(b"AAAA", name), "a.zip"))] == [("한글.txt",)]


@pytest.mark.parametrize(
    "path", ["../../etc/passwd.txt", "/etc/passwd.txt", "a/../../etc/passwd.txt", "..\\etc\\b.txt"]
)
def test_paths_lead_nowhere(path: str) -> None:
    """They are names in the outline, below the archive, and no more."""
    for data, name in ((zipped({path: "글"}), "a.zip"), (tar({path: "글"}), "a.tar")):
        [((heading,), text)] = told(read(data, name))
        assert text == "글"
        assert heading in {"etc/passwd.txt", "etc/b.txt"}


def test_links_and_devices_are_left_alone() -> None:
    """They hold no text."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("a.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with pytest.raises(NoTextError, match="it is empty"):
        read(out.getvalue(), "a.tar")


def test_what_cannot_be_read_is_left_out_one_by_one() -> None:
    """The rest is read; where nothing is left, the reason tells of each."""
    bad: dict[str, bytes | str] = {
        "a.png": b"\x89PNG",
        "b.docx": b"PK\x03\x04" + b"x" * 99,
        "c.bin": b"\0",
        "d.txt": "",
    }
    assert len(told(read(zipped({**bad, "e.txt": "글"}), "a.zip"))) == 1
    for data, name in ((zipped(bad), "a.zip"), (tar(bad), "a.tar")):
        with pytest.raises(NoTextError) as told_of:
            read(data, name)
        assert told_of.value.detail == (
            "what is packed in it was left out: 1 unsupported, 1 damaged, 1 binary, 1 no text"
        )


def test_encrypted_archives() -> None:
    """All of one is skipped as such; what is not encrypted beside it is read."""
    with pytest.raises(EncryptedError):
        read(encrypted(zipped({"a.txt": "글"})), "a.zip")
    found = told(read(encrypted(zipped({"a.txt": "글", "b.txt": "둘"})), "a.zip"))
    assert [headings for headings, _ in found] == [("b.txt",)]


def test_a_member_that_is_damaged_costs_itself() -> None:
    """Its sum is wrong; the other one is read."""
    made = zipped({"a.txt": "AAAABBBB" * 99, "b.txt": "글"}, zipfile.ZIP_STORED)
    found = told(read(made.replace(b"AAAABBBB", b"AAAABBBC", 1), "a.zip"))
    assert [headings for headings, _ in found] == [("b.txt",)]


def _nested(levels: int, inner: bytes, name: str) -> bytes:
    for _ in range(levels):
        inner, name = zipped({name: inner}), "a.zip"
    return inner


def test_archives_are_opened_as_deep_as_is_asked() -> None:
    """What lies deeper is left out, and the reason says so."""
    data = _nested(4, b"words", "a.txt")
    assert told(read(data, "a.zip")) == [(("a.zip", "a.zip", "a.zip", "a.txt"), "words")]
    assert len(told(read(data, "a.zip", Packed(archives=True, depth=8)))) == 1
    for depth in range(4):
        with pytest.raises(NoTextError, match="left out"):
            read(data, "a.zip", Packed(archives=True, depth=depth))


def test_one_bound_holds_for_all_depths() -> None:
    """Ten archives of ten, each of which is small, are too much together."""
    inner = zipped({f"{n}.txt": b"0" * MIB for n in range(10)})
    data = zipped({f"{n}.zip": inner for n in range(10)})
    with pytest.raises(OverrunError, match=r"extract\.unpacked_bytes"):
        read(data, "a.zip", bounds=Bounds(50 * MIB, 1_000_000))
    with pytest.raises(OverrunError, match=r"extract\.unpacked_ratio"):
        read(data, "a.zip")
    many = zipped({f"{n}.zip": zipped({f"{m}.txt": "a" for m in range(9)}) for n in range(9)})
    assert len(told(read(many, "a.zip", bounds=Bounds(entries=90)))) == 81
    with pytest.raises(OverrunError, match=r"extract\.entries"):
        read(many, "a.zip", bounds=Bounds(entries=89))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_bomb_ends_at_the_bound(compress: Callable[[bytes], bytes]) -> None:
    """Also where what is in it is no file that would be read."""
    data = compress(tar({"a.bin": b"\0" * (8 * MIB), "b.txt": "글"}))
    with pytest.raises(OverrunError, match=r"extract\.unpacked"):
        read(data, "a.tar.gz", bounds=Bounds(2 * MIB, 1_000_000))
    with pytest.raises(OverrunError, match=r"extract\.unpacked_ratio"):
        read(data, "a.tar.gz")
    with pytest.raises(OverrunError, match=r"extract\.entries"):
        read(tar({str(n): "" for n in range(20)}, "w:gz"), "a.tgz", bounds=Bounds(entries=9))


def test_a_dictionary_of_gigabytes_is_refused() -> None:
    """Before memory is taken for it."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * MIB}]
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    data = packer.compress(tar({"a.txt": "글"})) + packer.flush()
    with pytest.raises(ExtractionError, match="Memory usage limit"):
        read(data, "a.txz")


def test_holes_are_counted() -> None:
    """A member of a terabyte takes 512 bytes."""
    out = io.BytesIO()
    info = tarfile.TarInfo("a.txt")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "a.txt",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": f"{(1 << 40) - 4},4",
    }
    info.size = 4
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"last"))
    for data in (out.getvalue(), gzip.compress(out.getvalue())):
        with pytest.raises(OverrunError, match=r"extract\.unpacked"):
            read(data, "a.tar")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(PARTS)[:-30]),
        ("a.tar", tar(PARTS)[:700]),
        ("a.tgz", tar(PARTS, "w:gz")[:-400]),
        ("a.tgz", gzip.compress(b"words")),
        ("a.tar.xz", b"\xfd7zXZ\0" + b"x" * 99),
        ("a.tar", b"x" * 2_000),
    ],
    ids=_id,
)
def test_what_is_damaged_fails_with_a_reason(name: str, data: bytes) -> None:
    """Cut off, or something else than it says."""
    with pytest.raises(ExtractionError, match="damaged archive"):
        read(data, name)


def test_several_streams_and_zeros_behind_them_are_one_file() -> None:
    """As gzip has it."""
    data = tar({"a.txt": "글" * 999, "b.txt": "둘"})
    made = gzip.compress(data[:600]) + gzip.compress(data[600:]) + bytes(999)
    assert [headings for headings, _ in told(read(made, "a.tgz"))] == [("a.txt",), ("b.txt",)]


def test_members_that_hold_credentials_by_their_names_are_left_out() -> None:
    """As files of these names would be, and none of those that only look so."""
    names = ["id_rsa", ".env", "a/.kube/config", "deep/x.KEY", "secrets.yaml", "private.gnupg/a"]
    rules = Packed(archives=True, sealed=(*SECRETS, "*.vault", "!harmless.key", "*.gnupg/"))
    parts: dict[str, bytes | str] = {
        **dict.fromkeys([*names, "b.vault"], "글"),
        **dict.fromkeys([".env.example", "harmless.key", "config"], "글"),
    }
    kept = [headings for headings, _ in told(read(zipped(parts), "a.zip", rules))]
    assert kept == [(".env.example",), ("harmless.key",), ("config",)]
    with pytest.raises(NoTextError, match="1 secret"):
        read(tar({"id_rsa": "글"}), "a.tar", rules)


def test_patterns_that_begin_at_a_folder_are_none_of_names() -> None:
    """What stands in the archive is in no folder of the source."""
    sealed = Sealed(["docs/a.txt", "/b.txt", "# c", "", "*.key", "**/x/y?.txt"])
    assert not any(map(sealed, ["docs/a.txt", "a.txt", "b.txt", "# c"]))
    assert all(map(sealed, ["a.key", "docs/a.KEY", "x/y1.txt", "a/x/y2.txt"]))
    assert not sealed("x/z/y1.txt")
    assert not sealed("x/y/1.txt")


def test_a_long_text_is_read_in_segments() -> None:
    """As the file would be."""
    line = "한 줄의 글입니다. 그리고 계속됩니다.\n"
    found = read(zipped({"a.txt": line * 60_000}), "a.zip", bounds=Bounds(unpacked_ratio=10_000))
    assert len(found) > 1
    assert {headings for headings, _ in told(found)} == {("a.txt",)}
    assert sum(text.count(line.strip()) for _, text in told(found)) == 60_000


def test_how_archives_are_opened_is_part_of_the_pipeline_version() -> None:
    """So that a change of the options takes up again what they are about."""
    spec = locate("hash")
    settings = [
        ExtractSettings(),
        ExtractSettings(archives=True),
        ExtractSettings(depth=3),
        ExtractSettings(archives=True, depth=3),
    ]
    cutting = Cutting(spec.max_tokens)
    assert len({pipeline_version(cutting, spec, one) for one in settings}) == 4


def test_the_child_reads_archives_as_it_is_told() -> None:
    """Its bounds and rules are those of the configuration; places of chunks never go back."""
    spec = locate("hash")
    settings = ExtractSettings(archives=True, depth=1, entries=50)
    pool = Pool(spec, Cutting(spec.max_tokens), settings, sealed=("*.vault",))
    try:
        data = zipped({**PARTS, "a.vault": "no", "b.zip": zipped({"c.txt": "too deep"})})
        head, *batches, _ = _parts(pool, data)
        assert isinstance(head, Head)
        assert (head.title, head.mime) == ("", "application/zip")
        chunks = [chunk for one in batches if isinstance(one, Batch) for chunk in one.chunks]
        assert list(dict.fromkeys(chunk.headings[0] for chunk in chunks)) == PATHS
        places = [(chunk.start, chunk.end) for chunk in chunks]
        assert all(one[1] <= other[0] for one, other in pairwise(places))
        with pytest.raises(ExtractionError, match=r"extract\.entries"):
            _parts(pool, zipped({str(number): "" for number in range(51)}))
        assert _parts(pool, zipped({"id_rsa.txt": "글"}))
    finally:
        pool.close()


def _parts(pool: Pool, data: bytes) -> list[Part]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return list(pool.cut(file.fileno(), b"a.zip", len(data)))
