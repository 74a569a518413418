"""Being the only process that works on a state directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import lock
from .errors import AlreadyRunningError, StateError

if TYPE_CHECKING:
    from .config import Settings
    from .location import Location


def owner(settings: Settings, verb: str, store_url: str = "") -> lock.Owner:
    """What those are told who find the lock held."""
    roots = tuple(str(source.path.expanduser().absolute()) for source in settings.sources)
    return lock.Owner.me(verb, store_url=store_url, sources=roots)


def take_lock(location: Location, owner: lock.Owner) -> lock.FileLock:
    """Be the only instance on this state directory.

    Raises:
        AlreadyRunningError: another process is; it says which.
        StateError: the directory cannot be made or written.
    """
    try:
        location.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return lock.FileLock(location.lock_file).acquire(owner)
    except lock.LockHeldError as error:
        who = error.owner or "another process"
        raise AlreadyRunningError(f"{location.state_dir} is in use by {who}") from error
    except OSError as error:
        raise StateError(f"{location.state_dir}: {error.strerror}") from error
