"""The configuration as the command line shows, checks and writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import effective, sample
from ingestd.config import Settings, load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
state_url = "postgresql://me:hunter2@db/x"

[store]
token = "hunter2"
port = 9000

[[sources]]
path = "/srv/a"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration file with secrets in it."""
    path = tmp_path / "config.toml"
    path.write_text(TEXT, "utf-8")
    return path


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    """Written out, every key is commented out: the defaults stay."""
    path = tmp_path / "config.toml"
    path.write_text(sample.sample(), "utf-8")
    settings, _ = load(config=path, state_dir=tmp_path)
    assert settings == Settings()


@pytest.mark.parametrize("other", ["token", "token_file"])
def test_the_sample_is_right_in_every_line(other: str, tmp_path: Path) -> None:
    """With each key taken out of its comment, the file is still valid.

    A token is given in one of two ways; each of them once.
    """
    path = tmp_path / "config.toml"
    text = re.sub(r"^#(?! )", "", sample.sample(), flags=re.MULTILINE)
    before, _, http = text.partition("[http]\n")
    http = re.sub(rf"^{other} = ", f"#{other} = ", http, count=1, flags=re.MULTILINE)
    path.write_text(f"{before}[http]\n{http}", "utf-8")
    settings, _ = load(config=path, state_dir=tmp_path)
    defaults = Settings()
    assert settings.limits == defaults.limits
    assert settings.watch == defaults.watch
    assert [str(source.path) for source in settings.sources] == ["/srv/handbook"]


def test_the_sample_has_every_key() -> None:
    """No key of the configuration is missing in the sample."""
    shown = re.findall(r"^#(\w+) = ", sample.sample(), re.MULTILINE)
    keys = [one.key.rpartition(".")[2] for one in effective.values(*load())]
    assert set(keys) - {"sources"} <= set(shown)


def test_secrets_are_masked(config: Path, tmp_path: Path) -> None:
    """No token and no password is shown, in either form."""
    settings, location = load(config=config, state_dir=tmp_path)
    assert "hunter2" not in effective.as_text(settings, location)
    assert "hunter2" not in str(effective.as_json(settings, location))


def test_each_value_tells_its_origin(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, environment and default are told apart."""
    monkeypatch.setenv("INGESTD_STORE__HOST", "::1")
    settings, location = load(config=config, state_dir=tmp_path)
    origins = effective.as_json(settings, location)["origins"]
    assert origins["store.port"] == "file"
    assert origins["sources.0.path"] == "file"
    assert origins["store.host"] == "environment INGESTD_STORE__HOST"
    assert origins["store.attempts"] == "default"


def test_what_is_shown_is_valid(tmp_path: Path) -> None:
    """The text of `show` can be loaded again, and means the same."""
    first, location = load(state_dir=tmp_path)
    path = tmp_path / "again.toml"
    path.write_text(effective.as_text(first, location), "utf-8")
    again, _ = load(config=path)
    assert again.limits == first.limits
    assert again.store == first.store
