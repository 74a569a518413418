"""What happens on a day of the service, each with a word on how it went."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from server import INGESTD, Server, eventually, stored

if TYPE_CHECKING:
    from day import Day

ROOT = Path(__file__).resolve().parents[2]
BACKUPS = Path("/srv/backups")
BALLAST = Path("/var/lib/ingestd/ballast")
OLD = Path("/srv/share/old")
FIRST, MORE = 300, 100
LONG_S = 600.0
CONFIGURATION = """
[watch]
reconcile_s = 60    # as the rules, 60 times as fast
"""


def start(day: Day) -> str:
    """From an installation to documents that are found."""
    day.folder.path.mkdir()
    for _ in range(FIRST):
        day.folder.add()
    day.run(INGESTD, "service", "install", day.folder.path)
    config = Path(day.server.config)
    config.write_text(f"{config.read_text('utf-8')}{CONFIGURATION}", "utf-8")
    day.run("systemctl", "enable", "--now", "ingestd")
    return f"{FIRST} documents"


def crash(day: Day) -> str:
    """Chroma is killed while documents are saved."""
    ended = []
    for _ in range(3):
        day.edits(MORE // 5)
        ended.append(day.chroma())
        day.run("kill", "-KILL", str(ended[-1]))
        eventually(lambda: day.chroma() not in (0, ended[-1]))
    day.edits(MORE // 5)
    return f"killed {len(ended)} times"


def full_disk(day: Day) -> str:
    """The file system of the state has no room; edits go on; then it has."""
    day.run("runuser", "-u", "ingestd", "--", "fallocate", "-l", "1600M", BALLAST)
    eventually(lambda: "disk_full" in str(day.server.ask("/readyz")[1]))
    day.edits(MORE)
    waiting = eventually(lambda: day.server.ask("/v1/status")[1]["waiting"]["documents"])
    eventually(lambda: "IngestdDiskFull" in day.prometheus.firing())
    BALLAST.unlink()
    return f"{waiting} documents waited"


def reload(day: Day) -> str:
    """A level of the log that is taken, and a configuration that is refused."""
    config = Path(day.server.config)
    before, pid = config.read_text("utf-8"), day.server.pid
    config.write_text(f'{before}\n[log]\nlevel = "debug"\n', "utf-8")
    day.server.control("reload")
    eventually(lambda: "configuration reloaded" in day.server.show("StatusText"))
    config.write_text(f"{before}\n[log]\nlevel = 7\n", "utf-8")
    day.server.control("reload")
    eventually(lambda: "configuration refused" in day.server.show("StatusText"))
    config.write_text(before, "utf-8")
    day.server.control("reload")
    day.edits(MORE)
    assert day.server.pid == pid
    return "one taken, one refused"


def rotate(day: Day) -> str:
    """The journal begins a new file and forgets the old ones; the daemon writes on."""
    day.run("journalctl", "--rotate")
    day.run("journalctl", "--vacuum-time=1s")
    time.sleep(1)
    day.edits(MORE)
    eventually(lambda: "document_indexed" in day.machine.journal("ingestd"))
    return "the journal goes on"


def backup(day: Day) -> str:
    """A copy while documents are saved."""
    day.run("install", "-d", "-o", "ingestd", "-m", "0700", BACKUPS)
    day.edits(MORE // 2)
    day.server.verb("backup", str(BACKUPS))
    day.edits(MORE // 2)
    size = sum(path.stat().st_size for path in BACKUPS.rglob("*") if path.is_file())
    return f"{size / 2**20:.0f} MiB"


def elsewhere(day: Day) -> str:
    """On another instance: vectors from the backup, texts from the files as they are now."""
    other = Server(day.machine, "ingestd@elsewhere.service", "elsewhere", "127.0.0.1:8767")
    text = f'[[sources]]\npath = "{day.folder.path}"\n[store]\nport = 8010\n'
    Path(other.config).write_text(text, "utf-8")
    day.run("chgrp", "ingestd", other.config)
    day.run("install", "-d", "-o", "ingestd", "-m", "0700", other.state)
    other.verb("restore", str(BACKUPS))
    other.control("start")
    eventually(other.ready, LONG_S)
    counts = lambda: other.ask("/v1/status")[1]["documents"]  # noqa: E731
    eventually(lambda: counts()["indexed"] == len(day.folder.marks), LONG_S)
    eventually(lambda: counts()["pending"] + counts()["working"] == 0, LONG_S)
    _, chunks = day.nothing_lost(8010)
    embedded = metric(other, 'ingestd_chunks_total{action="embedded"}')
    other.control("stop")
    return f"{chunks:,} chunks, {embedded:,.0f} of them embedded"


def metric(server: Server, name: str) -> float:
    """A number of ``/metrics``."""
    told = str(server.ask("/metrics")[1])
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(name))


def upgrade(day: Day) -> str:
    """The units once more and a restart; and a state that an older program left."""
    day.run(INGESTD, "service", "install")
    day.edits(MORE // 2)
    day.server.control("restart")
    day.edits(MORE // 2)
    if not (OLD / "ingestd").is_dir():
        return "no history here: no older program"
    other = Server(day.machine, "ingestd@older.service", "older", "127.0.0.1:8767")
    docs = Path("/srv/older")
    docs.mkdir()
    day.run("sh", "-c", f"cp {ROOT}/docs/*.md {docs}")
    number = len(list(docs.iterdir()))
    model = '[model]\nname = "hash"\n'
    Path(other.config).write_text(
        f'{model}[[sources]]\npath = "{docs}"\n[store]\nport = 8020\n', "utf-8"
    )
    day.run("chgrp", "ingestd", other.config)
    unit = Path("/etc/systemd/system/ingestd@older.service.d/old.conf")
    unit.parent.mkdir()
    unit.write_text(
        "[Service]\nType=exec\nWatchdogSec=0\nExecStart=\n"
        f"ExecStart={sys.executable} -m ingestd run --config /etc/ingestd/older.toml\n"
        f"Environment=PYTHONPATH={OLD}:{OLD}/state\n"
    )
    day.run("systemctl", "daemon-reload")
    other.control("start")
    eventually(lambda: '"ready"' in day.machine.journal(other.unit), LONG_S)
    before = sorted(stored(8020))
    other.control("stop")
    schemas = [schema(other)]
    unit.unlink()
    day.run("systemctl", "daemon-reload")
    other.control("start")
    eventually(other.ready, LONG_S)
    eventually(lambda: other.ask("/v1/status")[1]["documents"]["indexed"] == number, LONG_S)
    embedded = metric(other, 'ingestd_chunks_total{action="embedded"}')
    assert {path for path, _ in stored(8020)} == {path for path, _ in before}
    other.control("stop")
    schemas.append(schema(other))
    assert schemas[0] < schemas[1], schemas
    told = f"state table {schemas[0]} became {schemas[1]}"
    return f"{told}: {number} documents, {embedded:,.0f} chunks embedded anew"


def schema(server: Server) -> str:
    """The version of its state table."""
    with closing(sqlite3.connect(f"file:{server.state}/state.db?mode=ro", uri=True)) as table:
        return str(table.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def stop(day: Day) -> str:
    """In order; nothing is left running."""
    began = time.monotonic()
    day.server.control("stop")
    took = time.monotonic() - began
    assert (day.server.show("Result"), day.server.show("NRestarts")) == ("success", "0")
    assert day.machine.run("pgrep", "-u", "ingestd").stdout == ""
    day.edits(MORE, pause_s=0.1)
    day.server.control("start")
    return f"stopped in {took:.1f} s, {MORE} edits, started"
