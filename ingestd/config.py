"""The configuration: one frozen object, built and checked once at the edge.

Values come, first wins, from the command line, from environment variables (``INGESTD_STORE__PORT``
for ``port`` in ``[store]``), and from a TOML file. Nothing below this module reads the environment.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from .engine_options import Device, Engine, Precision, impossible
from .errors import ConfigError
from .listen import FIRST_PORT
from .listen import parse as parse_listen
from .location import Location, locate, read_toml
from .memory import marks, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

StoreMode = Literal["managed", "embedded", "remote"]
CollectionName = Annotated[
    str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]$", description="")
]
MIB = 1024 * 1024
LEAST_TOKEN = 16
"""Characters of a token: shorter ones are guessed."""


class Part(BaseModel):
    """A table of the configuration: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(Part):
    """A folder to watch."""

    path: Path = Field(description="the folder")
    name: str = Field(default="", description="a short name; default: the folder's name")
    collection: CollectionName | None = Field(
        default=None, description="the Chroma collection; default: that of [store]"
    )
    include: tuple[str, ...] = Field(
        default=(), description="gitignore patterns; when given, only matching files are taken"
    )
    exclude: tuple[str, ...] = Field(default=(), description="gitignore patterns to leave out")
    builtin_excludes: bool = Field(
        default=True, description="leave out VCS folders, temporaries and such"
    )
    watch: Literal["events", "poll"] = Field(
        default="events", description="poll: for network shares, which tell of no change"
    )


class StoreSettings(Part):
    """The vector store."""

    mode: StoreMode | None = Field(
        default=None,
        description="managed (a server of our own), embedded (in this process) or remote; "
        "default: managed, and embedded with --once",
    )
    host: str = Field(default="127.0.0.1", description="where the server listens")
    port: int = Field(default=8000, ge=1, le=65535, description="its port")
    url: str | None = Field(default=None, description="remote: address of the server")
    tenant: str = Field(default="default_tenant", description="remote: Chroma tenant")
    database: str = Field(default="default_database", description="remote: Chroma database")
    token: str | None = Field(default=None, description="remote: value of the token header")
    token_header: str = Field(default="x-chroma-token", description="remote: token header")
    collection: CollectionName = Field(default="ingestd", description="the collection's name")
    timeout_s: float = Field(default=30.0, gt=0, description="longest wait for one answer")
    start_timeout_s: float = Field(default=60.0, gt=0, description="longest wait for the server")
    attempts: int = Field(default=5, ge=1, description="tries of one request")
    probe_timeout_s: float = Field(
        default=20.0, gt=0, description="longest wait for a sound answer after a start"
    )
    compact_at: float = Field(
        default=2.0,
        ge=1.2,
        description="places ever used over live chunks, from which on an index is built anew",
    )

    @property
    def headers(self) -> dict[str, str]:
        """What a remote server is sent with each request."""
        return {self.token_header: self.token} if self.token else {}

    @model_validator(mode="after")
    def _remote_needs_url(self) -> StoreSettings:
        if self.mode == "remote" and not self.url:
            message = 'mode = "remote" needs `url`'
            raise ValueError(message)
        return self


class ModelSettings(Part):
    """The embedding model."""

    name: str = Field(
        default="",
        description="an added model, a folder, or a name in the local cache; default: the packaged "
        "MiniLM; see `ingestd model list`",
    )
    engine: Engine = Field(
        default="auto", description="what runs it; openvino: with the extra ingestd[openvino]"
    )
    precision: Precision = Field(
        default="auto",
        description="what it computes in; int8 is fast, loses a little, and embeds everything anew",
    )
    device: Device = Field(default="auto", description="auto: a GPU that torch can use, or the CPU")
    threads: int | None = Field(
        default=None, ge=1, description="default: one per processor that the process may use"
    )
    query_prefix: str = Field(default="", description="put before each query")
    document_prefix: str = Field(default="", description="put before each chunk")

    @model_validator(mode="after")
    def _such_an_engine_exists(self) -> ModelSettings:
        if message := impossible(self.engine, self.precision, self.device):
            raise ValueError(message)
        return self


WINDOW_CHARS = (500, 200)
"""Length and overlap of windows where only the method is given."""


class ChunkSettings(Part):
    """How documents are cut."""

    method: Literal["structure", "window"] | None = Field(
        default=None,
        description="structure (headings, blocks and sentences, by tokens) or window (so many "
        "characters each); default: structure, and window where a size is given",
    )
    tokens: int | None = Field(
        default=None,
        ge=32,
        description="largest chunk in tokens; default: what the model takes, but at most 384",
    )
    size: int | None = Field(
        default=None,
        ge=50,
        description=f"length of a window in characters; default, with the method window: "
        f"{WINDOW_CHARS[0]}, with an overlap of {WINDOW_CHARS[1]}",
    )
    overlap: int = Field(default=0, ge=0, description="characters that two windows share")

    @property
    def window(self) -> tuple[int, int] | None:
        """Length and overlap of windows in characters; None: no windows."""
        if self.size is not None:
            return self.size, self.overlap
        if self.method != "window":
            return None
        return WINDOW_CHARS[0], self.overlap or WINDOW_CHARS[1]

    @model_validator(mode="after")
    def _overlap_fits(self) -> ChunkSettings:
        if self.method == "structure" and (self.size or self.overlap):
            message = '`size` and `overlap` are for method = "window"'
            raise ValueError(message)
        if self.overlap and (self.window is None or self.overlap >= self.window[0]):
            message = "`overlap` needs a larger `size`"
            raise ValueError(message)
        return self


class WatchSettings(Part):
    """How changes are noticed."""

    settle_ms: int = Field(default=200, ge=0, description="quiet time before a file is read")
    max_wait_s: float = Field(default=5.0, gt=0, description="a busy file is read after this")
    reconcile_s: float = Field(default=600.0, ge=1, description="between full scans")
    poll_s: float = Field(
        default=60.0, ge=1, description="between scans of a source without events"
    )
    canary_s: float = Field(default=60.0, ge=1, description="between checks of the watcher")


class LimitSettings(Part):
    """Bounds."""

    file_bytes: int = Field(default=50 * MIB, ge=1, description="larger files are skipped")
    batch_bytes: int = Field(
        default=MIB // 4, ge=1, description="bytes of files in one batch; three are in hand"
    )
    batch_documents: int = Field(default=256, ge=1, le=10_000, description="documents in one batch")
    free_bytes: int = Field(
        default=512 * MIB, ge=0, description="space to leave free; below it, writing waits"
    )
    vectors_bytes: int = Field(default=2048 * MIB, ge=MIB, description="size of the vectors cache")
    attempts: int = Field(default=5, ge=1, description="tries before a document is given up")
    retry_s: float = Field(default=10.0, gt=0, description="wait after a first failure")
    retry_max_s: float = Field(default=600.0, gt=0, description="longest wait between tries")
    stop_s: float = Field(default=10.0, gt=0, description="time to finish what is in hand")
    stuck_s: float = Field(
        default=600.0,
        gt=0,
        description="a model at the same texts for longer is stuck: the service manager is to "
        "start the daemon anew",
    )
    backlog_s: float = Field(
        default=3600.0, ge=0, description="a change that waits longer is told of; 0: never"
    )


Mark = Annotated[int | None, BeforeValidator(size.parse_or_none)]


class MemorySettings(Part):
    """Bounds for the memory of the daemon, its Chroma server and its other children together."""

    high: Mark = Field(
        default=None,
        description='past it memory is given back; bytes, or such as "512M"; 0: never; default: '
        "90 % of the control group's memory.high, or 80 % of `max`",
    )
    max: Mark = Field(
        default=None,
        description="past it no new work is begun until it is less than `high`; 0: never; default: "
        "90 % of the control group's memory.max",
    )
    check_s: float = Field(default=5.0, ge=0.1, description="between two looks")

    @model_validator(mode="after")
    def _marks_make_sense(self) -> MemorySettings:
        for name, mark in (("high", self.high), ("max", self.max)):
            if mark and mark < marks.LEAST:
                message = (
                    f"`{name}` = {mark:,} bytes is less than the daemon needs to start: "
                    f'at least "{marks.LEAST // MIB}M"'
                )
                raise ValueError(message)
        if self.high and self.max and self.high > self.max:
            message = f"`high` ({self.high:,} bytes) must not be above `max` ({self.max:,} bytes)"
            raise ValueError(message)
        return self


class ExtractSettings(Part):
    """What is read, and the bounds of the child process that reads it."""

    memory_bytes: int = Field(
        default=1024 * MIB, ge=64 * MIB, description="memory that one file may take in it"
    )
    timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="processor time that one file may take without progress; on the clock, "
        "five times as much",
    )
    recycle_documents: int = Field(
        default=2_000, ge=1, description="files after which it is replaced"
    )
    recycle_bytes: int = Field(
        default=192 * MIB,
        ge=1,
        description="resident memory past which it is replaced; what a large tokenizer takes is "
        "allowed for",
    )
    unpacked_bytes: int = Field(
        default=200 * MIB, ge=MIB, description="bytes that a packed document may unpack to"
    )
    unpacked_ratio: int = Field(
        default=200, ge=1, description="how many times its size that may be, past the first MiB"
    )
    entries: int = Field(default=10_000, ge=1, description="parts that a packed document may have")
    archives: bool = Field(
        default=False, description="read what is packed in ZIP and tar archives, by its format"
    )
    depth: int = Field(
        default=4,
        ge=0,
        le=8,
        description="how many levels down documents within documents are opened: what is attached "
        "to mails, members of archives",
    )
    ocr: Literal["auto", "off"] = Field(
        default="auto",
        description="auto: read pictures of text where the extra `ocr` and tesseract are installed",
    )
    ocr_languages: tuple[str, ...] = Field(
        default=("kor", "eng"),
        description="languages of tesseract's that are used as far as they are installed, the "
        "first one preferred",
    )
    ocr_pixels: int = Field(
        default=50_000_000, ge=1_000_000, description="pixels that a picture may have"
    )
    ocr_pages: int = Field(
        default=500, ge=1, description="pages of pictures that are read of one document"
    )
    sandbox: Literal["auto", "off"] = Field(
        default="auto",
        description="auto: no network, no other files and no processes, as far as the kernel "
        "grants it",
    )
    secrets: Literal["skip", "index"] = Field(
        default="skip", description="what becomes of private keys, tokens and credential files"
    )
    secret_rules: tuple[str, ...] = Field(
        default=(),
        description="gitignore patterns of more such files; those with ! in front are none",
    )


class LogSettings(Part):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="")
    format: Literal["auto", "pretty", "journal", "json"] = Field(
        default="auto",
        description="auto: pretty on a terminal, lines with priorities where systemd's journal "
        "listens, JSON otherwise",
    )


class HttpSettings(Part):
    """The page, health and metrics of the daemon."""

    listen: str = Field(
        default="auto",
        description="HOST:PORT, unix:PATH, off, or auto: a free port of 127.0.0.1 from "
        f"{FIRST_PORT} on",
    )
    token: str | None = Field(
        default=None, description="what has to be shown; needed where other machines reach it"
    )
    token_file: Path | None = Field(default=None, description="a file that holds the token")
    hosts: tuple[str, ...] = Field(
        default=(), description="names that it is called by, beside its address and localhost"
    )

    @model_validator(mode="after")
    def _who_may_ask_is_known(self) -> HttpSettings:
        place = parse_listen(self.listen)
        if self.token is not None and self.token_file is not None:
            message = "`token` and `token_file` do not go together"
            raise ValueError(message)
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            message = f"`token` has less than {LEAST_TOKEN} characters"
            raise ValueError(message)
        if place and not place.is_local and self.token is None and self.token_file is None:
            message = (
                f"`listen` = {self.listen!r} is reached by other machines: it needs a `token`, or "
                "a `token_file`"
            )
            raise ValueError(message)
        return self


class Settings(BaseSettings):
    """The whole configuration of one instance."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="INGESTD_", env_nested_delimiter="__"
    )

    sources: tuple[SourceSettings, ...] = Field(default=(), description="folders to watch")
    state_dir: Path | None = Field(default=None, description="where this instance keeps its data")
    cache_dir: Path | None = Field(default=None, description="where exported models are kept")
    state_url: str | None = Field(default=None, description="SQLAlchemy URL of the state table")
    store: StoreSettings = StoreSettings()
    model: ModelSettings = ModelSettings()
    chunk: ChunkSettings = ChunkSettings()
    watch: WatchSettings = WatchSettings()
    limits: LimitSettings = LimitSettings()
    extract: ExtractSettings = ExtractSettings()
    memory: MemorySettings = MemorySettings()
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - given by the base class
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file: `load` hands the file's values in as arguments."""
        return (env_settings, init_settings)


class _Gathered(Settings):
    """Settings whose values are gathered already: the environment is not asked again."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - given by the base class
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in."""
        return (init_settings,)


def load(
    *,
    config: Path | None = None,
    state_dir: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Settings, Location]:
    """Read and check the configuration.

    Args:
        config: the configuration file, from the command line.
        state_dir: the state directory, from the command line.
        overrides: values from the command line, keys such as ``store.port``; None values are
            left out.

    Raises:
        ConfigError: each wrong key, type or value, one a line.
    """
    location = locate(config=config, state_dir=state_dir)
    values = read_toml(location.config_file) if location.config_file else {}
    where = str(location.config_file or "environment")
    try:
        settings = Settings(**values)
        changed = {key: value for key, value in (overrides or {}).items() if value is not None}
        if changed:
            where = "command line"
            settings = _overridden(settings, changed)
    except ValidationError as error:
        raise ConfigError(explain(error.errors(), where)) from error
    except SettingsError as error:
        raise ConfigError(f"environment: {error}") from error
    return settings, location


def _overridden(settings: Settings, changed: Mapping[str, Any]) -> Settings:
    values = settings.model_dump()
    for dotted, value in changed.items():
        *tables, key = dotted.split(".")
        target = values
        for table in tables:
            target = target[table]
        target[key] = value
    return _Gathered(**values)


def explain(mistakes: Iterable[ErrorDetails], where: str) -> str:
    """Say what is wrong, one line for each mistake, with the nearest right key."""
    lines = []
    for mistake in mistakes:
        dotted = ".".join(str(part) for part in mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = "no such key" + _nearest(mistake["loc"])
        lines.append(f"{where}: {dotted or 'file'}: {message}")
    return "\n".join(lines)


def _nearest(place: tuple[int | str, ...]) -> str:
    model: Any = Settings
    for part in place[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            nested = field.annotation
            model = SourceSettings if part == "sources" else nested
    close = difflib.get_close_matches(str(place[-1]), list(model.model_fields), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
