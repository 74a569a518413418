"""The packaged model for tests of memory, exported once for all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.embed.engines.export import exported
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.model import ModelSpec


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    """The packaged model."""
    return locate("")


@pytest.fixture(scope="session")
def export_dir(tmp_path_factory: pytest.TempPathFactory, spec: ModelSpec) -> Path:
    """A cache directory with the export of the packaged model."""
    own = tmp_path_factory.getbasetemp()
    # The workers of one run share what is above their own folders; the export locks itself.
    shared = own.parent if own.name.startswith("popen-") else own
    exported(spec, shared / "exports")
    return shared / "exports"
