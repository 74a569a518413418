"""Writes ``docs/ingestd.1``, the page for ``man ingestd``, from the help of the commands.

``make man`` writes it, ``--check`` only tells whether it is as the commands are now.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["COLUMNS"] = "80"  # else the help depends on the terminal

import ingestd
from ingestd.cli import VERBS, application

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "ingestd.1"
CODES = ROOT / "docs" / "exit-codes.md"
HEAD = """\
.\\" Written by scripts/manpage.py from the help of the commands: change it there.
.TH INGESTD 1 "" "ingestd {version}" "User Commands"
.SH NAME
ingestd \\- keep a Chroma collection of the text in folders up to date
.SH SYNOPSIS
.B ingestd
.I COMMAND
.RI [ OPTIONS ]
.br
.B ingestd run
.IR DIR ...
.SH DESCRIPTION
.B ingestd
watches folders, embeds the text of the files in them with a local model, and keeps a collection of
Chroma, a vector database, as the files are. Any application that retrieves passages for a language
model can query it. Nothing leaves the machine.
.PP
Results go to standard output, logs and remarks to standard error. With
.B \\-\\-json
results are JSON, one object a line.
.SH COMMANDS
"""
TAIL = """\
.SH FILES
.TP
.I ~/.config/ingestd/config.toml
The configuration;
.B ingestd config init
writes one with every key explained. Under systemd: in
.IR /etc/ingestd .
.TP
.I ~/.local/state/ingestd
State table, vectors, Chroma's data and logs of one instance.
.TP
.I ~/.cache/ingestd
What can be made again.
.SH ENVIRONMENT
.TP
.B INGESTD_CONFIG
The configuration file.
.TP
.B INGESTD_STATE_DIR
The state directory.
.TP
.BI INGESTD_ TABLE __ KEY
A key of the configuration, such as
.B INGESTD_STORE__PORT
for
.B port
in
.BR [store] .
.SH SIGNALS
SIGTERM and SIGINT finish the document in hand and end; a second one ends at once.
.SH EXAMPLES
.nf
ingestd run ~/Documents
ingestd query "how do we rotate the keys?"
ingestd backup /mnt/backups \\-\\-keep 7
.fi
.SH SEE ALSO
The documentation in the folder
.I docs
of the source.
"""


def page() -> str:
    """The whole page."""
    from typer.main import get_command  # noqa: PLC0415 - the environment first

    group: Any = get_command(application())
    lines = [HEAD.format(version=ingestd.__version__).rstrip()]
    for verb in VERBS:
        lines += _command(group.commands[verb], f"ingestd {verb}")
    lines += [".SH EXIT STATUS", *_codes(), TAIL.rstrip()]
    return "\n".join(lines) + "\n"


def _command(command: Any, name: str) -> Iterator[str]:
    """A verb: how it is called, what it does, its options; or all that it has below it."""
    below = getattr(command, "commands", None)
    if below is not None:
        for one, inner in below.items():
            yield from _command(inner, f"{name} {one}")
        return
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS]", "").strip()
    yield f".SS {name} {_text(usage)}".rstrip()
    for number, part in enumerate((command.help or "").split("\n\n")):
        yield from ([".PP"] if number else [])
        yield _text(" ".join(part.split()))
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record and record[1]:
            names = re.sub(r"<list\[(\w+)\]>", r"<\1>", record[0])
            told = record[1].replace("[default: 0]", "")
            yield from (".TP", f".B {_text(names)}", _text(" ".join(told.split())))


def _codes() -> Iterator[str]:
    """The first row of each exit code in its documentation."""
    seen = set()
    rows = re.findall(
        r"^\| (\d+) \|[^|]*\|[^|]*\| ([^|]+) \|",
        CODES.read_text("utf-8"),
        re.MULTILINE,
    )
    for code, what in rows:
        if code not in seen:
            seen.add(code)
            yield from (".TP", f".B {code}", _text(what.strip()))


def _text(text: str) -> str:
    """Text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def main() -> int:
    """Write the page, or tell whether it is as it should be."""
    parser = argparse.ArgumentParser(description="Writes the page for man from the commands' help.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it is outdated")
    wanted = page()
    if parser.parse_args().check:
        if PAGE.read_text("utf-8") == wanted:
            return 0
        print(f"{PAGE.relative_to(ROOT)} is outdated: `make man` writes it", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
