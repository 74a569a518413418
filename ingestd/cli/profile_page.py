"""A profile as people read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import output
from .tracing import REASONS

TITLES = {
    "total": "Most allocated, freed or not",
    "peak": "In use at the peak",
    "left": "Not freed at the end",
}


def page(found: Mapping[str, Any]) -> output.Page:
    """Lay out the result of ``ingestd profile``."""
    shown = output.Page()
    shown.fields(f"Profile of process {found['pid']}", _facts(found))
    for kind, title in TITLES.items():
        with_for = kind != "total"
        headers = ["bytes", "count", "function", "where", *(["for"] if with_for else [])]
        rows = [_row(place, found["code"], with_for=with_for) for place in found["top"][kind]]
        shown.table(title, headers, rows, numbers=(0, 1))
    return shown


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rss = found["rss_bytes"]
    resident = [
        f"{output.size(rss[name])} {words}"
        for name, words in (("start", "at the start"), ("peak", "at most"), ("end", "at the end"))
        if rss[name] is not None
    ]
    early = REASONS.get(found["reason"], found["reason"])
    return [
        ("traced", f"{found['seconds']:.1f} s" + (f" ({early})" if early else "")),
        ("allocations", f"{found['allocations']:,}, {output.size(found['allocated_bytes'])}"),
        ("peak", f"{output.size(found['peak_bytes'])} of these in use at once"),
        ("not freed", f"{output.size(found['left_bytes'])} of these"),
        ("process", ", ".join(resident)),
        ("file", f"{found['file']}, {output.size(found['file_bytes'])}"),
    ]


def _row(place: Mapping[str, Any], code: Sequence[str], *, with_for: bool) -> list[str]:
    where = [place["function"], _where(place, code)]
    if with_for:
        caller = place["for"]
        same = caller is None or caller["line"] == place["line"]
        where.append("" if same else f"{caller['function']} {_where(caller, code)}")
    return [output.size(place["bytes"]), f"{place['allocations']:,}", *where]


def _where(frame: Mapping[str, Any], code: Sequence[str]) -> str:
    """File and line; of the file only what tells it apart."""
    file = str(frame["file"])
    for folder in code:
        if file.startswith(folder):
            file = file.removeprefix(folder.rstrip("/").rpartition("/")[0] + "/")
            break
    else:
        file = re.sub(r"^.*/(site-packages|lib/python[\d.]+)/", "", file)
    return f"{file}:{frame['line']}" if file else ""
