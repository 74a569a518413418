"""Where an instance keeps its things. Cheap to import: the quick verbs need only this.

The order, first wins: command line, environment, configuration file, systemd's directories, those
of the service for the service's own user, XDG.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ConfigError

NAME = "ingestd"
VECTORS = "vectors.db"
CONFIGURATION, STATE, CACHE = Path("/etc/ingestd"), Path("/var/lib"), Path("/var/cache")
"""Where the units have them: `NAME.toml` in the first is of `ingestd-NAME` in the others."""


@dataclass(frozen=True, slots=True)
class Location:
    """The places of one instance.

    Attributes:
        config_file: the configuration file that applies; None when there is none.
        state_dir: state table, vectors, Chroma data, logs, locks.
        cache_dir: what can be made again: exported models.
        state_url: SQLAlchemy URL of the state table.
    """

    config_file: Path | None
    state_dir: Path
    cache_dir: Path
    state_url: str

    @property
    def vectors_url(self) -> str:
        """SQLAlchemy URL of the vectors cache."""
        return _sqlite_url(self.state_dir / VECTORS)

    @property
    def vectors_bytes(self) -> int:
        """What the vectors cache takes on the disk, with its log; 0 where there is none."""
        taken = 0
        for end in ("", "-wal"):
            # The log goes with the last process that has the database open.
            with contextlib.suppress(FileNotFoundError):
                taken += (self.state_dir / f"{VECTORS}{end}").stat().st_size
        return taken

    @property
    def chroma_dir(self) -> Path:
        """The data of the managed or embedded Chroma."""
        return self.state_dir / "chroma"

    @property
    def lock_file(self) -> Path:
        """Held by the one instance on this state directory."""
        return self.state_dir / "ingestd.lock"

    @property
    def chroma_lock_file(self) -> Path:
        """Held by the one process with the Chroma data.

        On the real path: two spellings of one directory must meet in one lock.
        """
        return Path(os.path.realpath(self.chroma_dir)).with_name("chroma.lock")

    @property
    def models_dir(self) -> Path:
        """The models that were added with ``ingestd model add``."""
        return self.state_dir / "models"

    @property
    def digests_file(self) -> Path:
        """The digests of model weights that were read before."""
        return self.cache_dir / "digests.json"

    @property
    def log_dir(self) -> Path:
        """Logs of the Chroma server."""
        return self.state_dir / "logs"


def locate(*, config: Path | None = None, state_dir: Path | None = None) -> Location:
    """Find the places that apply.

    Args:
        config: the configuration file, from the command line.
        state_dir: the state directory, from the command line.

    Raises:
        ConfigError: the configuration file is named but missing, or is not TOML.
    """
    config_file = find_config(config)
    values = read_toml(config_file) if config_file else {}
    state = state_dir or _path("INGESTD_STATE_DIR") or _key(values, "state_dir")
    state = state or _first("STATE_DIRECTORY") or _state_of_service(config_file)
    state = state or _xdg("XDG_STATE_HOME", ".local/state")
    state = Path(os.path.abspath(state.expanduser()))  # noqa: PTH100 - keeps symlinks
    cache = _path("INGESTD_CACHE_DIR") or _key(values, "cache_dir") or _first("CACHE_DIRECTORY")
    if cache is None and state.parent == STATE:
        cache = _of_service(CACHE / state.name)
    cache = cache or _xdg("XDG_CACHE_HOME", ".cache")
    url = os.environ.get("INGESTD_STATE_URL") or values.get("state_url")
    return Location(
        config_file=config_file,
        state_dir=state,
        cache_dir=cache.expanduser().absolute(),
        state_url=str(url) if url else _sqlite_url(state / "state.db"),
    )


def find_config(named: Path | None) -> Path | None:
    """The configuration file: named, from the environment, or at its usual place.

    Raises:
        ConfigError: a file was named, and it is not there.
    """
    chosen = named or _path("INGESTD_CONFIG")
    if chosen is not None:
        if not chosen.is_file():
            raise ConfigError(
                f"no configuration file at {chosen}",
                hint=f"`ingestd config init {chosen}` writes a commented one.",
            )
        return chosen.absolute()
    usual = default_config()
    return usual if usual.is_file() else None


def default_config() -> Path:
    """Where the configuration file is looked for when none is named."""
    directory = _first("CONFIGURATION_DIRECTORY")
    if directory is None and _of_service(STATE / NAME):
        directory = CONFIGURATION
    return (directory or _xdg("XDG_CONFIG_HOME", ".config")) / "config.toml"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it cannot be read, or is not TOML; says in which line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: this is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        where = f"{path}:{found[1]}:{found[2]}" if found else str(path)
        what = str(error)[: found.start()] if found else str(error)
        raise ConfigError(f"{where}: {what}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _state_of_service(config_file: Path | None) -> Path | None:
    if config_file is None or config_file.parent != CONFIGURATION:
        return None
    name = NAME if config_file.stem == "config" else f"{NAME}-{config_file.stem}"
    return _of_service(STATE / name)


def _of_service(place: Path) -> Path | None:
    """A directory of the service, for its own user; root is not, and would leave files of root."""
    try:
        return place if os.geteuid() != 0 and place.stat().st_uid == os.geteuid() else None
    except OSError:
        return None


def _sqlite_url(path: Path) -> str:
    # The two characters that mean something else in the path of a URL.
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _first(variable: str) -> Path | None:
    """The first of the directories that systemd gives, separated by colons."""
    value = os.environ.get(variable, "").split(":")[0]
    return Path(value) if value else None


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    if base:
        return Path(base) / NAME
    try:
        return Path.home() / fallback / NAME
    except RuntimeError as error:
        raise ConfigError(
            "this user has no home directory",
            hint=f"Give --state-dir, or set {variable} and INGESTD_CACHE_DIR.",
        ) from error


def _key(values: dict[str, Any], key: str) -> Path | None:
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{key}: a path in quotes is expected, not {value!r}")
    return Path(value)
