"""The configuration: what is wrong is told at once, precisely, with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from ingestd.config import Settings, load
from ingestd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing is configured."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIGURATION_DIRECTORY", "STATE_DIRECTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


def settings(tmp_path: Path, text: str, **overrides: Any) -> Settings:
    """Load a configuration file; ``store__port=1`` overrides ``store.port``."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return load(config=file, overrides=changed)[0]


def complaint(tmp_path: Path, text: str, **overrides: Any) -> str:
    """What is wrong with a configuration file."""
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text, **overrides)
    assert "config check" in caught.value.hint
    return caught.value.message


def test_everything_has_a_default() -> None:
    """With no file at all there is a configuration, and it watches nothing."""
    found, location = load()
    assert found.sources == ()
    assert found.store.mode is None
    assert found.chunk.overlap == 0
    assert location.config_file is None


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Tables, arrays of tables and scalars arrive where they belong."""
    found = settings(
        tmp_path,
        """
        [[sources]]
        path = "/docs"
        name = "handbook"
        include = ["*.md"]
        collection = "handbook"
        [[sources]]
        path = "~/notes"
        builtin_excludes = false
        [chunk]
        size = 500
        overlap = 200
        [store]
        mode = "remote"
        url = "http://chroma:8000"
        """,
    )
    first, second = found.sources
    assert (first.name, first.include, first.collection) == ("handbook", ("*.md",), "handbook")
    assert (second.name, second.builtin_excludes, second.collection) == ("", False, None)
    assert (found.chunk.size, found.chunk.overlap) == (500, 200)
    assert (found.store.mode, found.store.url) == ("remote", "http://chroma:8000")


@pytest.mark.parametrize(
    ("text", "place", "nearest"),
    [
        ("[store]\nprot = 1\n", "store.prot", "port"),
        ("[stroe]\nport = 1\n", "stroe", "store"),
        ('[[sources]]\npath = "/a"\nexclud = []\n', "sources.0.exclud", "exclude"),
        (
            '[[sources]]\npath = "/a"\n[[sources]]\npath = "/b"\ncolection = "x"\n',
            "sources.1.colection",
            "collection",
        ),
        ("[limits]\nfile_byte = 1\n", "limits.file_byte", "file_bytes"),
        ("[watch]\nsettle = 1\n", "watch.settle", "settle_ms"),
    ],
)
def test_a_wrong_key_is_told_with_the_nearest(
    tmp_path: Path, text: str, place: str, nearest: str
) -> None:
    """A typing error in a key is an error, not a silent default; the right key is suggested."""
    message = complaint(tmp_path, text)
    assert f"config.toml: {place}: no such key; did you mean `{nearest}`?" in message


def test_a_key_like_no_other_gets_no_suggestion(tmp_path: Path) -> None:
    """Nothing is suggested where nothing is near."""
    assert complaint(tmp_path, "[store]\nxyzzy = 1\n").endswith("store.xyzzy: no such key")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[store]\nport = "many"\n', "store.port"),
        ("[store]\nport = 0\n", "store.port"),
        ("[store]\nport = 65536\n", "store.port"),
        ('[store]\nmode = "cloud"\n', "store.mode"),
        ('[store]\ncollection = "no spaces please"\n', "store.collection"),
        ('[store]\ncollection = "a/b"\n', "store.collection"),
        ("store = 3\n", "store"),
        ('sources = "/docs"\n', "sources"),
        ("[[sources]]\n", "sources.0.path"),
        ('[[sources]]\npath = "/a"\ninclude = 3\n', "sources.0.include"),
        ("[chunk]\ntokens = 3\n", "chunk.tokens"),
        ("[limits]\nvectors_bytes = 10\n", "limits.vectors_bytes"),
        ("[limits]\nbatch_documents = 1_000_000\n", "limits.batch_documents"),
        ("[store]\ntimeout_s = nan\n", "store.timeout_s"),
        ('[log]\nlevel = "loud"\n', "log.level"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    """Type and range are checked, and the message names file and key."""
    assert f"config.toml: {place}: " in complaint(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Three mistakes give three lines."""
    text = '[store]\nport = "x"\nprot = 1\n[chunk]\noverlap = -1\n'
    lines = complaint(tmp_path, text).splitlines()
    assert len(lines) == 3
    assert {line.split(": ")[1] for line in lines} == {"store.port", "store.prot", "chunk.overlap"}


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("", None),
        ('method = "structure"\n', None),
        ('method = "window"\n', (500, 200)),
        ('method = "window"\noverlap = 100\n', (500, 100)),
        ('method = "window"\nsize = 800\n', (800, 0)),
        ("size = 800\noverlap = 80\n", (800, 80)),
    ],
)
def test_windows_are_one_line_away(
    tmp_path: Path, text: str, window: tuple[int, int] | None
) -> None:
    """The method alone gives the windows of old; a size alone means windows."""
    assert settings(tmp_path, f"[chunk]\n{text}").chunk.window == window


@pytest.mark.parametrize(
    "text",
    [
        'method = "structure"\nsize = 500\n',
        'method = "structure"\noverlap = 100\n',
        'method = "window"\noverlap = 500\n',
        'method = "sliding"\n',
        "overlap = 10\n",
    ],
)
def test_windows_that_make_no_sense(tmp_path: Path, text: str) -> None:
    """What contradicts itself is refused before anything is opened."""
    assert "config.toml: chunk" in complaint(tmp_path, f"[chunk]\n{text}")


def test_remote_needs_a_url(tmp_path: Path) -> None:
    """A remote store without an address is refused before anything is opened."""
    assert "needs `url`" in complaint(tmp_path, '[store]\nmode = "remote"\n')
    assert "needs `url`" in complaint(tmp_path, "", store__mode="remote")
    found = settings(tmp_path, '[store]\nurl = "http://x"\n', store__mode="remote")
    assert found.store.url == "http://x"


@pytest.mark.parametrize("text", ["overlap = 5", "size = 100\noverlap = 100", "overlap = -1"])
def test_overlap_needs_a_larger_size(tmp_path: Path, text: str) -> None:
    """Windows that overlap must be longer than what they share."""
    assert "chunk" in complaint(tmp_path, f"[chunk]\n{text}\n")


def test_the_environment_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable replaces one value of a table; its neighbours stay those of the file."""
    monkeypatch.setenv("INGESTD_STORE__PORT", "9001")
    found = settings(tmp_path, '[store]\nport = 9000\nhost = "10.0.0.1"\n')
    assert (found.store.port, found.store.host) == (9001, "10.0.0.1")


def test_the_command_line_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed now counts most; what was not typed (None) counts nothing."""
    monkeypatch.setenv("INGESTD_STORE__PORT", "9001")
    monkeypatch.setenv("INGESTD_LOG__LEVEL", "debug")
    found = settings(tmp_path, "[store]\nport = 9000\n", store__port=9002, log__level=None)
    assert (found.store.port, found.log.level) == (9002, "debug")


def test_sources_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    """`ingestd run DIR` watches DIR, and not what the file names."""
    text = '[[sources]]\npath = "/a"\n[[sources]]\npath = "/b"\n'
    found = settings(tmp_path, text, sources=({"path": "/c"},))
    assert [str(source.path) for source in found.sources] == ["/c"]


def test_sources_can_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list in a variable is JSON; broken JSON is a configuration error."""
    monkeypatch.setenv("INGESTD_SOURCES", '[{"path": "/docs", "name": "x"}]')
    assert settings(tmp_path, "").sources[0].name == "x"
    monkeypatch.setenv("INGESTD_SOURCES", "[{")
    with pytest.raises(ConfigError, match="environment"):
        settings(tmp_path, "")


def test_a_mistake_on_the_command_line_is_told_as_such(tmp_path: Path) -> None:
    """The file is not blamed for what was typed."""
    message = complaint(tmp_path, "", store__port=99_999)
    assert message.startswith("command line: store.port: ")


def test_a_mistake_in_a_variable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value or key in the environment is told with its place."""
    monkeypatch.setenv("INGESTD_STORE__PORT", "many")
    with pytest.raises(ConfigError, match=r"store\.port"):
        settings(tmp_path, "")
    monkeypatch.delenv("INGESTD_STORE__PORT")
    monkeypatch.setenv("INGESTD_STORE__PROT", "1")
    with pytest.raises(ConfigError, match=r"store\.prot.*`port`"):
        settings(tmp_path, "")


def test_the_configuration_is_frozen() -> None:
    """Nobody changes it behind the back of the others."""
    found, _ = load()
    with pytest.raises(ValidationError):
        found.store.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        found.sources = ()  # type: ignore[misc]


def test_marks_of_memory_are_sizes(tmp_path: Path) -> None:
    """Bytes or a size in words, and nothing by default: then the control group decides."""
    assert (load()[0].memory.high, load()[0].memory.max) == (None, None)
    found = settings(tmp_path, '[memory]\nhigh = "512M"\nmax = 2_000_000_000').memory
    assert (found.high, found.max) == (512 * 1024**2, 2_000_000_000)
    found = settings(tmp_path, "[memory]\nhigh = 0\nmax = 0").memory
    assert (found.high, found.max) == (0, 0)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('high = "lots"', 'is no size: write bytes, or a number such as "512M"'),
        ("max = -1", "is no size"),
        ('high = "2G"\nmax = "1G"', "must not be above `max`"),
        ('max = "5M"', 'less than the daemon needs to start: at least "128M"'),
        ("hihg = 1", "did you mean `high`?"),
        ("check_s = 0", "greater than or equal to 0.1"),
    ],
)
def test_marks_of_memory_that_make_no_sense(tmp_path: Path, lines: str, words: str) -> None:
    """A size that is none, marks in the wrong order, a mark that the daemon cannot live under."""
    assert words in complaint(tmp_path, f"[memory]\n{lines}")
