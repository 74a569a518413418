"""The tables of the configuration that say what is indexed, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ingestd.engine_options import Device, Engine, Precision, impossible

from .part import MIB, Part

StoreMode = Literal["managed", "embedded", "remote"]
CollectionName = Annotated[
    str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]$", description="")
]


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
