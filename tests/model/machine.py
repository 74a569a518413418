"""The state machines: every operation there is, on a daemon with its store."""

from __future__ import annotations

from model_files import Files
from model_folders import Folders
from model_lives import Lives, ServerLives


class EmbeddedMachine(Files, Folders, Lives):
    """The daemon with Chroma in its own process."""

    store = "embedded"


class ManagedMachine(Files, Folders, Lives, ServerLives):
    """The daemon with a Chroma server of its own."""

    store = "managed"
