"""The configuration: one frozen object, built and checked once at the edge.

Values come, first wins, from the command line, from environment variables (``INGESTD_STORE__PORT``
for ``port`` in ``[store]``), and from a TOML file. Nothing below this module reads the environment.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import (
    Field,
    ValidationError,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from .errors import ConfigError
from .location import Location, locate, read_toml
from .settings.content import (
    ChunkSettings,
    ExtractSettings,
    ModelSettings,
    SourceSettings,
    StoreSettings,
)
from .settings.running import (
    HttpSettings,
    LimitSettings,
    LogSettings,
    MemorySettings,
    WatchSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails


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
