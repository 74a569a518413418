"""When Python looks for garbage in cycles: seldom while a command starts, as usual in a daemon.

To load modules makes very many objects and no garbage. Looking through them again and again is an
eighth of the time that a quick verb takes, and once more at the end a fifth, where the system
takes back everything at once.
"""

from __future__ import annotations

import atexit
import gc

_USUAL = gc.get_threshold()
_SELDOM = 200_000
"""More objects than all modules together leave; what a verb streams is still looked through."""


def hurry() -> None:
    """Look seldom, and not at the end."""
    gc.set_threshold(_SELDOM, *_USUAL[1:])
    atexit.register(gc.freeze)


def steady() -> None:
    """Look as often as Python does by itself."""
    gc.set_threshold(*_USUAL)
