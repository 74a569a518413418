"""Checks of what ingestd works with: libraries, model, locks, state table, vectors cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import EngineMissingError, NotFoundError, StateError
from ingestd.visible import counted

from . import output, table
from .checks import Check, Finding
from .version import version_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ingestd.config import Settings
    from ingestd.embed.model import ModelSpec
    from ingestd.location import Location
    from ingestd.settings.content import ModelSettings

LEAST_CHROMA = (1, 5, 9)
READ_WHOLE = 1024**3
"""Larger databases, in bytes, take too long to look through."""


def chromadb(_settings: Settings, _location: Location) -> Iterator[Finding]:
    """The Chroma library is of a version that ingestd knows."""
    version = version_of("chromadb")
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if not LEAST_CHROMA <= numbers < (2,):
        mend = 'pip install "chromadb>=1.5.9,<2"'
        yield Finding("chromadb", "fail", version, mend)
    else:
        yield Finding("chromadb", "ok", version)


def model(settings: Settings, location: Location) -> Iterator[Finding]:
    """The model is there and whole, and its engine is ready."""
    from ingestd.embed import model as models

    spec = models.configured(settings.model, location.models_dir)
    digest = "" if spec.hashed else f", SHA-256 {spec.weights_sha256[:12]}…"
    yield Finding("model", "ok", f"{spec.public_name}, {spec.dimension} dimensions{digest}")
    if not spec.hashed:
        yield from _engine(spec, settings.model, location)


def _engine(spec: ModelSpec, asked: ModelSettings, location: Location) -> Iterator[Finding]:
    """What runs the model, and why."""
    from ingestd.embed.engines import export, planning
    from ingestd.embed.engines.choice import Wish

    try:
        wish = Wish(asked.engine, asked.precision, asked.device)
        plan = planning.plan(spec, location.cache_dir, wish, asked.threads)
    except EngineMissingError as error:
        yield Finding("engine", "fail", error.message, error.hint)
        return
    choice, found = plan.choice, plan.sentence()
    if choice.engine == "torch":
        wanting = choice.device == "cpu" and asked.engine == "auto"
        yield Finding("engine", "warn" if wanting else "ok", found)
    elif export.is_sound(export.folder_of(spec, location.cache_dir), spec):
        yield Finding("engine", "ok", f"{found}; the exported model is whole")
    else:
        made = "the exported model is made at the next start, once"
        yield Finding("engine", "warn", f"{found}; {made}")


def plugins(_settings: Settings, location: Location) -> Iterator[Finding]:
    """Readers of other formats that are installed can be used."""
    from ingestd.embed.reading.plugins import installed

    for plugin in installed(location.state_dir, remember=False):
        if plugin.problem:
            mend = "Mend or uninstall it; its documents keep what is indexed."
            yield Finding(f"plug-in {plugin.name}", "fail", plugin.problem, mend)
        else:
            suffixes = ", ".join(f".{suffix}" for suffix in plugin.suffixes)
            said = f"{plugin.mime} {plugin.version} ({suffixes})"
            yield Finding(f"plug-in {plugin.name}", "ok", said)


def formats(_settings: Settings, _location: Location) -> Iterator[Finding]:
    """Which extras are there that read more formats."""
    from ingestd.embed.extract.extras import EXTRAS, version_of

    for extra, package in EXTRAS.items():
        if found := version_of(extra):
            yield Finding(f"extra {extra}", "ok", f"{package} {found}")
        else:
            message = "not installed: such files are skipped, and listed by `ingestd ls`"
            yield Finding(f"extra {extra}", "ok", message, f'pip install "ingestd[{extra}]"')


def ocr(settings: Settings, _location: Location) -> Iterator[Finding]:
    """Whether pictures of text are read."""
    from ingestd.embed import scanning
    from ingestd.embed.extract.scans import HOW, Reading

    found = scanning.found(settings.extract)
    if found.reading is Reading.LATER:
        said = f"tesseract {scanning.version()}, languages {found.languages}"
        left_out = [one for one in settings.extract.ocr_languages if one not in found.languages]
        mend = f"apt-get install {' '.join(f'tesseract-ocr-{one}' for one in left_out)}"
        yield Finding("OCR", "ok", said, mend if left_out else "")
    elif found.missing:
        said = f"{found.missing}: pictures of text are skipped, and listed by `ingestd ls`"
        yield Finding("OCR", "ok", said, HOW.replace("`", ""))
    else:
        yield Finding("OCR", "ok", '`extract.ocr = "off"`: pictures of text are skipped')


def state_table(_settings: Settings, location: Location) -> Iterator[Finding]:
    """The state table opens, is of this version, and whole."""
    from ingestd.tables import as_told, cure
    from ingestd_state import documents, migrate
    from ingestd_state.engine import DatabaseError

    try:
        with table.opened(location) as database, database.read() as connection:
            number = sum(documents.counts(connection).values())
            revision = migrate.revision(connection)
            broken = "" if database.file is None else _broken(connection, database.file)
    except NotFoundError:
        yield Finding("state table", "ok", "none yet: `ingestd run DIR` makes it")
        return
    except StateError as error:
        cause = error.__cause__
        raise as_told(cause) if isinstance(cause, DatabaseError) else error from error
    if broken:
        mend = cure(database.url) if database.file else ""
        yield Finding("state table", "fail", f"damaged: {broken}", mend)
        return
    found = f"{counted(number, 'document')}, schema {revision}"
    yield Finding("state table", "ok", found)


def vectors_cache(_settings: Settings, location: Location) -> Iterator[Finding]:
    """The vectors cache can be read; it is what a lost collection is filled from."""
    from ingestd_state import vectors
    from ingestd_state.engine import DamagedError, Database, DatabaseError

    cache = Database(location.vectors_url)
    if cache.file is None or not cache.file.exists():
        return
    mend = "The next start sets it aside; texts that are needed again are embedded again."
    try:
        with cache.read() as connection:
            number = vectors.count(connection)
            broken = _broken(connection, cache.file)
    except DamagedError as error:
        yield Finding("vectors cache", "warn", str(error), mend)
    except DatabaseError as error:
        yield Finding("vectors cache", "fail", str(error), "Check its permissions.")
    else:
        size = output.size(cache.file.stat().st_size)
        found = f"{counted(number, 'embedding')}, {size}"
        if broken:
            yield Finding("vectors cache", "warn", f"{found}, damaged: {broken}", mend)
        else:
            yield Finding("vectors cache", "ok", found)
    finally:
        cache.close()


def _broken(connection: Connection, file: Path) -> str:
    """What SQLite finds broken in a database; a large one is not read from end to end."""
    if file.stat().st_size > READ_WHOLE:
        return ""
    found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    return "" if found == "ok" else " ".join(found.split())


def locks(_settings: Settings, location: Location) -> Iterator[Finding]:
    """Nobody is left over from a daemon that was killed."""
    from ingestd.lock import holder

    owner = table.running(location)
    yield Finding("daemon", "ok", str(owner) if owner else "not running")
    path = location.chroma_lock_file
    if owner is None and holder(path) is not None:
        pids = _holding(path)
        mend = f"It ends by itself within seconds; else: kill {' '.join(map(str, pids))}"
        message = "a Chroma process of a daemon that has ended still runs"
        yield Finding("Chroma lock", "warn", message, mend if pids else "")


def _holding(path: Path) -> list[int]:
    """The processes of this user that have a file open: who left a lock is not who keeps it."""
    wanted = str(path)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) == wanted for entry in (process / "fd").iterdir()):
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(set(found) - {os.getpid()})


CHECKS: tuple[Check, ...] = (
    chromadb,
    model,
    plugins,
    formats,
    ocr,
    state_table,
    vectors_cache,
    locks,
)
