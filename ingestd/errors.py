"""Every failure that a person can meet: what happened, an exit code, and what to do next.

An error class fixes the exit code and, where the cure is always the same, the hint. The message
names the thing that failed. The command line prints both; ``docs/exit-codes.md`` lists them.
"""

from __future__ import annotations


class IngestdError(Exception):
    """Base of all errors that ingestd raises on purpose.

    Attributes:
        exit_code: what the process exits with when this error ends it.
        code: a short, stable name for logs, JSON and the state table.
        hint: what to do next, in one sentence; may be given per instance.
    """

    exit_code = 1
    code = "error"
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class PartialError(IngestdError):
    """The work ended, but some documents failed."""

    exit_code = 3
    code = "partial"
    hint = "`ingestd ls --status failed --status dead` lists them; `ingestd retry` tries again."


class ConfigError(IngestdError):
    """The configuration has a wrong key, type or value."""

    exit_code = 4
    code = "config"
    hint = "`ingestd config check` explains each wrong line; `ingestd config init` writes a sample."


class SourceMissingError(IngestdError):
    """A folder to watch does not exist, or is not a folder."""

    exit_code = 5
    code = "source_missing"
    hint = "Check the path, or mount it first. Nothing that is indexed was deleted."


class AlreadyRunningError(IngestdError):
    """Another process holds the state directory."""

    exit_code = 6
    code = "already_running"
    hint = "Stop the other one, or give this one its own --state-dir."


class PortBusyError(IngestdError):
    """The port for the managed Chroma server is taken."""

    exit_code = 7
    code = "port_busy"
    hint = "Choose another with --port, or stop what listens there."


class ModelMissingError(IngestdError):
    """The embedding model cannot be found or is damaged."""

    exit_code = 8
    code = "model_missing"
    hint = (
        "Leave `model.name` out for the packaged model, or give the path of a folder that "
        "sentence-transformers can load."
    )


class ModelRefusedError(ModelMissingError):
    """What was to be added is not a model that ingestd would ever load."""

    code = "model_refused"
    hint = "docs/models.md says what a model may consist of."


class ModelDamagedError(ModelMissingError):
    """An added model is not what it was when it was added."""

    code = "model_damaged"
    hint = "`ingestd model remove NAME`, then add it again from where it came."


class ModelMismatchError(IngestdError):
    """The collection was made with a model whose vectors do not fit."""

    exit_code = 9
    code = "model_mismatch"
    hint = "Go back to the model that made the collection, or write to a new one with --collection."


class StoreError(IngestdError):
    """Chroma does not answer, or refuses."""

    exit_code = 10
    code = "store"
    hint = "See the Chroma log in the state directory; `ingestd doctor` checks the connection."


class StateError(IngestdError):
    """The state table cannot be opened or is damaged."""

    exit_code = 11
    code = "state"
    hint = "Check the free space and permissions of the state directory."


class BackupDamagedError(StateError):
    """A backup lacks a file, or holds one that is not what it was when it was made."""

    code = "backup_damaged"
    hint = "Take another backup; nothing was changed."


class OccupiedError(StateError):
    """Something is where a backup is to be put, or to be restored to."""

    code = "occupied"
    hint = "`--force` sets aside what is there, and deletes nothing."


class NotFoundError(IngestdError):
    """What was asked for is not in the state table."""

    exit_code = 12
    code = "not_found"
    hint = "`ingestd ls` lists every document; `ingestd why PATH` tells why one is missing."


class ForeignCollectionError(IngestdError):
    """The collection exists, but ingestd did not make it."""

    exit_code = 13
    code = "foreign_collection"
    hint = "Choose another name with --collection; ingestd writes only to collections it made."


class NotRunningError(IngestdError):
    """The verb needs a running daemon, and there is none."""

    exit_code = 14
    code = "not_running"
    hint = "Start it with `ingestd run DIR`."


class WaitTimeoutError(IngestdError):
    """What was waited for did not happen in time."""

    exit_code = 15
    code = "timeout"
    hint = "`ingestd status` shows what is still waiting; the work goes on."


class WatchLimitError(IngestdError):
    """The kernel allows no more watches."""

    exit_code = 16
    code = "watch_limit"
    hint = (
        "Raise the sysctl settings fs.inotify.max_user_watches (one per directory) and "
        "fs.inotify.max_user_instances (one per daemon)."
    )


class DiskFullError(StoreError):
    """Too little space is left to write; nothing is lost, and the work waits."""

    exit_code = 17
    code = "disk_full"
    hint = (
        "Make room on the file system of the state directory; the work goes on by itself. "
        "`limits.free_bytes` is how much must stay free."
    )


class FindingsError(IngestdError):
    """A check found differences between disk, state table and collection."""

    exit_code = 18
    code = "findings"
    hint = "`ingestd repair --dry-run` shows what would mend them, `ingestd repair` does it."


class BusyError(IngestdError):
    """The daemon does this already, or has too much in hand."""

    exit_code = 19
    code = "busy"
    hint = "Try again when it is done."


class ModelInUseError(BusyError):
    """The model that is to be removed is the one that the configuration names."""

    code = "model_in_use"
    hint = "Name another in `model.name` first; what is indexed is then embedded anew."


class UnavailableError(IngestdError):
    """What was asked for cannot be done by this daemon, or on this machine."""

    exit_code = 20
    code = "unavailable"
    hint = "`ingestd doctor` shows what is there."


class EngineMissingError(UnavailableError):
    """The engine, precision or device that was asked for is not on this machine."""

    code = "engine_missing"
    hint = "Leave `model.engine`, `model.precision` and `model.device` at auto."


class OtherVersionError(UnavailableError):
    """The running daemon is older or newer, and does not know what is asked of it."""

    code = "other_version"
    hint = "Start the daemon again with this version of ingestd."


class NotPermittedError(IngestdError):
    """The user who asks may not do that."""

    exit_code = 21
    code = "not_permitted"
    hint = "Ask as root, or as the user whom it belongs to."


class DocumentError(IngestdError):
    """One document could not be taken up; the others go on."""

    exit_code = 3
    code = "document"
    hint = "`ingestd why PATH` tells more; `ingestd retry PATH` tries again."


class UnreadableError(DocumentError):
    """The file exists, but cannot be read."""

    code = "unreadable"
    hint = "Give the user that runs ingestd the right to read it."


class ExtractionError(DocumentError):
    """The text of a file cannot be extracted."""

    code = "extraction"
    hint = "`ingestd why PATH` shows the reason; the file may be damaged."


class ChangedWhileReadError(DocumentError):
    """The file changed between the first and the last byte read; it is taken up again."""

    code = "changed_while_read"
    hint = "Nothing to do: it is read again when it is quiet."
