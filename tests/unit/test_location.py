"""Where an instance keeps its things, and who decides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ingestd import location
from ingestd.errors import ConfigError
from ingestd.location import find_config, locate
from ingestd_state.engine import Database

VARIABLES = (
    "INGESTD_CONFIG",
    "INGESTD_STATE_DIR",
    "INGESTD_CACHE_DIR",
    "INGESTD_STATE_URL",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it, and none of the variables set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directories of two services, below a folder."""
    for name in ("CONFIGURATION", "STATE", "CACHE"):
        monkeypatch.setattr(location, name, home / name)
    for name in ("STATE/ingestd", "CACHE/ingestd", "STATE/ingestd-notes", "CACHE/ingestd-notes"):
        (home / name).mkdir(parents=True)
    for name in ("config", "notes"):
        write(home / "CONFIGURATION" / f"{name}.toml")
    return home


def write(path: Path, text: str = "") -> Path:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_anything_it_is_below_the_home(home: Path) -> None:
    """With no configuration at all, the XDG defaults apply."""
    found = locate()
    assert found.config_file is None
    assert found.state_dir == home / ".local/state/ingestd"
    assert found.cache_dir == home / ".cache/ingestd"
    assert found.state_url == f"sqlite:///{home}/.local/state/ingestd/state.db"
    assert found.vectors_url == f"sqlite:///{home}/.local/state/ingestd/vectors.db"
    assert found.chroma_dir == found.state_dir / "chroma"
    assert found.log_dir == found.state_dir / "logs"


def test_the_first_that_speaks_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line, environment, file, systemd, XDG: each is heard when those before are silent."""
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert locate().state_dir == Path("/xdg/ingestd")
    monkeypatch.setenv("STATE_DIRECTORY", "/systemd:/second")
    assert locate().state_dir == Path("/systemd")
    config = write(home / "config.toml", 'state_dir = "/file"\ncache_dir = "/files/cache"\n')
    assert locate(config=config).state_dir == Path("/file")
    assert locate(config=config).cache_dir == Path("/files/cache")
    monkeypatch.setenv("INGESTD_STATE_DIR", "/environment")
    monkeypatch.setenv("INGESTD_CACHE_DIR", "/environment/cache")
    assert locate(config=config).state_dir == Path("/environment")
    assert locate(config=config).cache_dir == Path("/environment/cache")
    assert locate(config=config, state_dir=Path("/given")).state_dir == Path("/given")


def test_the_first_configuration_file_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file, one in the environment, systemd's, the XDG one."""
    usual = write(home / ".config/ingestd/config.toml")
    assert find_config(None) == usual
    systemd = write(home / "etc/config.toml")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(systemd.parent))
    assert find_config(None) == systemd
    environment = write(home / "environment.toml")
    monkeypatch.setenv("INGESTD_CONFIG", str(environment))
    assert find_config(None) == environment
    named = write(home / "named.toml")
    assert find_config(named) == named


def test_a_named_file_must_be_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file that somebody named is an error with a way out; an unnamed one is not."""
    missing = home / "missing.toml"
    with pytest.raises(ConfigError, match=r"missing\.toml") as caught:
        locate(config=missing)
    assert "config init" in caught.value.hint
    monkeypatch.setenv("INGESTD_CONFIG", str(missing))
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        locate()
    with pytest.raises(ConfigError):
        locate(config=home)


@pytest.mark.parametrize("text", ["state_dir = \n", "= 1", "a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_is_told_with_its_line(home: Path, text: str) -> None:
    """The error names the file and the line."""
    config = write(home / "config.toml", text)
    with pytest.raises(ConfigError, match=r"config\.toml:\d+:\d+: \w"):
        locate(config=config)


def test_a_file_in_another_encoding_is_told(home: Path) -> None:
    """Bytes that are not UTF-8 are a configuration error, not a traceback."""
    config = home / "config.toml"
    config.write_bytes(b'state_dir = "\xff"\n')
    with pytest.raises(ConfigError, match=r"config\.toml"):
        locate(config=config)


def test_a_place_that_is_no_text_is_told(home: Path) -> None:
    """A number where a path should be is told with the key."""
    config = write(home / "config.toml", "state_dir = 3\n")
    with pytest.raises(ConfigError, match="state_dir"):
        locate(config=config)


def test_the_table_can_be_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL in the file or the environment moves the state table, and only it."""
    config = write(home / "config.toml", 'state_url = "postgresql://db/ingestd"\n')
    assert locate(config=config).state_url == "postgresql://db/ingestd"
    monkeypatch.setenv("INGESTD_STATE_URL", "postgresql://other/ingestd")
    assert locate(config=config).state_url == "postgresql://other/ingestd"
    assert locate(config=config).vectors_url.startswith("sqlite:///")


def test_paths_are_made_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home and a relative path are resolved once, at the edge; links are kept."""
    monkeypatch.chdir(home)
    (home / "real").mkdir()
    (home / "link").symlink_to("real")
    assert locate(state_dir=Path("~/x")).state_dir == home / "x"
    assert locate(state_dir=Path("link/../link")).state_dir == home / "link"


@pytest.mark.parametrize(
    "name", ["plain", "50%20off", "what?", "a#b", "a b", "a&b=c", "한글", "%25"]
)
def test_a_directory_may_have_any_name(home: Path, name: str) -> None:
    """The databases lie in the state directory, whatever its name means in a URL."""
    state = home / name
    state.mkdir()
    found = locate(state_dir=state)
    for url, file in ((found.state_url, "state.db"), (found.vectors_url, "vectors.db")):
        database = Database(url)
        with database.write():
            pass
        database.close()
        assert (state / file).is_file()


def as_another(service: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    """Ask as this user, while the directories belong to user 7."""
    owned = os.stat

    def stat(path: Any, *args: Any, **options: Any) -> Any:
        found = owned(path, *args, **options)
        if str(path).startswith(str(service)):
            values = list(found)
            values[4] = 7
            return os.stat_result(values)
        return found

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_the_user_of_a_service_means_the_service(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any option; the configuration of another instance means the places of that one."""
    as_another(service, monkeypatch, 7)
    found = locate()
    assert found.config_file == service / "CONFIGURATION/config.toml"
    assert found.state_dir == service / "STATE/ingestd"
    assert found.cache_dir == service / "CACHE/ingestd"
    notes = locate(config=service / "CONFIGURATION/notes.toml")
    assert notes.state_dir == service / "STATE/ingestd-notes"
    assert notes.cache_dir == service / "CACHE/ingestd-notes"
    mine = locate(config=write(service / "mine.toml"))
    assert mine.state_dir == service / ".local/state/ingestd"
    elsewhere = locate(state_dir=service / "STATE/ingestd-notes")
    assert elsewhere.cache_dir == service / "CACHE/ingestd-notes"


@pytest.mark.parametrize("user", [0, 8])
def test_nobody_else_means_the_service(
    user: int, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root would leave files that the service cannot write."""
    as_another(service, monkeypatch, user)
    found = locate(config=service / "CONFIGURATION/config.toml")
    assert found.state_dir == service / ".local/state/ingestd"
    assert found.cache_dir == service / ".cache/ingestd"
    assert locate().config_file is None


def test_the_vectors_cache_counts_with_its_log(tmp_path: Path) -> None:
    """The log is not always there, and neither is the cache."""
    found = locate(state_dir=tmp_path)
    assert found.vectors_bytes == 0
    (tmp_path / "vectors.db").write_bytes(bytes(4096))
    assert found.vectors_bytes == 4096
    (tmp_path / "vectors.db-wal").write_bytes(bytes(100))
    assert found.vectors_bytes == 4196
