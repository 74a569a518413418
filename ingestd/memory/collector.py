"""When Python looks for garbage in cycles: seldom while a command starts, as usual in a daemon.

To load modules makes very many objects and no garbage. Looking through them again and again is an
eighth of the time that a quick verb takes.
"""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
_SELDOM = 200_000
"""More objects than all modules together leave; what a verb streams is still looked through."""


def hurry() -> None:
    """Look seldom."""
    gc.set_threshold(_SELDOM, *_USUAL[1:])


def steady() -> None:
    """Look as often as Python does by itself."""
    gc.set_threshold(*_USUAL)
