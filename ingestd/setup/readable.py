"""Whether another user may read a folder; told by its rights alone."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def hindrance(folder: Path) -> Path | None:
    """The first folder on the way that others may not enter, or the last if they may not read it.

    None where nothing hinders, or nobody can tell. Groups and access lists may allow more.
    """
    whole = folder.resolve()
    for place in [*reversed(whole.parents), whole]:
        try:
            mode = place.stat().st_mode
        except OSError:
            return None
        needed = stat.S_IXOTH | (stat.S_IROTH if place == whole else 0)
        if mode & needed != needed:
            return place
    return None
