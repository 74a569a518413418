"""Makes a wheel of a distribution that is installed, from the record of its files.

Which index holds a CPU build of torch is known to uv alone, and uv installs but does not download.
What it installed is packed again here, byte for byte, for a machine that has no network.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib import metadata

# Written by the installer, or made again by the next one.
NOT_PACKED = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}
CHUNK_BYTES = 1 << 20


def wheel_name(distribution: metadata.Distribution) -> str:
    """The file name that the distribution's own tags ask for."""
    text = distribution.read_text("WHEEL") or ""
    tags = [line.split(": ")[1].split("-") for line in text.splitlines() if line[:4] == "Tag:"]
    parts = [".".join(sorted({tag[place] for tag in tags})) for place in range(3)]
    name = distribution.metadata["Name"].replace("-", "_")
    return f"{name}-{distribution.version}-{'-'.join(parts)}.whl"


def packed_files(distribution: metadata.Distribution) -> list[PurePosixPath]:
    """The files that belong into the wheel, relative to site-packages, sorted.

    Scripts lie outside site-packages and are made from the entry points again.
    """
    chosen: list[PurePosixPath] = []
    for file in distribution.files or ():
        made_here = file.suffix == ".pyc" or file.parts[0] == ".."
        if not made_here and not (".dist-info" in str(file.parent) and file.name in NOT_PACKED):
            chosen.append(PurePosixPath(file))
    return sorted(chosen)


def add_file(wheel: zipfile.ZipFile, source: Path, name: str) -> tuple[str, str, int]:
    """Pack one file; return its row of the record: name, digest, size in bytes."""
    digest, size = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (source.stat().st_mode & 0xFFFF) << 16
    with source.open("rb") as content, wheel.open(info, "w", force_zip64=True) as target:
        while block := content.read(CHUNK_BYTES):
            digest.update(block)
            size += len(block)
            target.write(block)
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
    return name, f"sha256={encoded}", size


def repack(distribution: metadata.Distribution, folder: Path) -> Path:
    """Pack an installed distribution into a wheel in a folder; memory stays at one block.

    Returns:
        The path of the wheel.
    """
    target = folder / wheel_name(distribution)
    rows: list[tuple[str, str, int | str]] = []
    with zipfile.ZipFile(target, "w", compresslevel=6) as wheel:
        for file in packed_files(distribution):
            source = Path(str(distribution.locate_file(str(file))))
            rows.append(add_file(wheel, source, str(file)))
        information = next(row[0] for row in rows if row[0].endswith(".dist-info/WHEEL"))
        record = str(PurePosixPath(information).with_name("RECORD"))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        wheel.writestr(record, text.getvalue(), zipfile.ZIP_DEFLATED)
    return target
