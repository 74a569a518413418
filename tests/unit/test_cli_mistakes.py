"""What ``config check`` says of each wrong line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.cli import config as verb
from ingestd.cli import mistakes
from ingestd.config import load
from ingestd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

WRONG = """\
state_url = 5
port = 1

[store]
mode = "manged"
prt = 8000
"port" = "abc"
token = 5

[[sources]]
path = "/srv/a"
# a remark = "with a sign"
exlude = ["x"]
include = [
  "ok",
  3,
]

[[sources]]
name = '''
[store] = 1
'''

[limits]
free_bytes = -1

[sorces]
"""


def told(path: Path, text: str) -> list[str]:
    """What a check of this text says, less the name of the file."""
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        verb.check(path)
    return caught.value.message.replace(str(path), "F").splitlines()


def test_every_mistake_at_once(tmp_path: Path) -> None:
    """In the order of the file: where, what is wrong, what would be right."""
    assert told(tmp_path / "c.toml", WRONG) == [
        (
            "F:1: state_url: Input should be a valid string; right would be "
            '`state_url = "sqlite:////var/lib/ingestd/state.db"`'
        ),
        "F:2: port: no such key here; it belongs in [store]",
        (
            "F:5: store.mode: Input should be 'managed', 'embedded' or 'remote', not \"manged\"; "
            'did you mean "managed"?'
        ),
        "F:6: store.prt: no such key; did you mean `port`?",
        (
            "F:7: store.port: Input should be a valid integer, unable to parse string as an "
            'integer, not "abc"; right would be `port = 8000`'
        ),
        'F:8: store.token: Input should be a valid string; right would be `token = "secret"`',
        "F:13: sources.0.exlude: no such key; did you mean `exclude`?",
        (
            "F:14: sources.0.include.1: Input should be a valid string, not 3; right would be "
            '`include = ["*.md"]`'
        ),
        'F:19: sources.1.path: it is missing; right would be `path = "/srv/handbook"`',
        (
            "F:25: limits.free_bytes: Input should be greater than or equal to 0, not -1; right "
            "would be `free_bytes = 536870912`"
        ),
        "F:27: sorces: no such key; did you mean `sources`?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a = 1\n[store\nport = 3\n", "F:2:7: Expected ']' at the end of a table declaration"),
        (b"[store]\nport = 3\nport = 4\n", "F:3:9: Cannot overwrite a value"),
        (b'x = 1\nname = "\xff"\n', "F:2: this is not UTF-8"),
        (b"[chunk]\noverlap = 10\n", "F:1: chunk: `overlap` needs a larger `size`"),
        (b"store = 3\n", "F:1: store: Input should be a valid dictionary"),
        (b'[store]\ntoken = 1\n[store.x]\n"y z" = 1\n', "F:3: store.x: no such key"),
        (b"store.prot = 3\n", "F:1: store.prot: no such key; did you mean `port`?"),
    ],
)
def test_other_mistakes(tmp_path: Path, text: bytes, expected: str) -> None:
    """What is no TOML is told with line and column; tables, dotted and quoted keys are found."""
    (tmp_path / "c.toml").write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        verb.check(tmp_path / "c.toml")
    assert expected in caught.value.message.replace(str(tmp_path / "c.toml"), "F")


def test_every_pattern(tmp_path: Path) -> None:
    """All patterns that can match nothing, not only the first."""
    text = '[[sources]]\npath = "/a"\nexclude = ["ok", "", "#x"]\ninclude = ["/"]\n'
    found = told(tmp_path / "c.toml", text)
    assert [line.split(": ")[0] for line in found] == ["F:4", "F:3", "F:3"]
    assert "'/' can match nothing" in found[0]
    assert found[2].endswith("Write `\\#` for a name that starts with #.")


def test_mistakes_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong variable is named as such, also where the file has the same key."""
    monkeypatch.setenv("INGESTD_STORE__PORT", "x")
    monkeypatch.setenv("INGESTD_STORE__PRT", "1")
    found = told(tmp_path / "c.toml", "[store]\nport = 3\n")
    assert found[0].startswith("environment INGESTD_STORE__PORT: Input should be")
    assert found[1] == "environment INGESTD_STORE__PRT: no such key; did you mean `port`?"


def test_variables_that_mean_nothing() -> None:
    """They are pointed out; those that are known are not."""
    names = ("INGESTD_CONFIG", "INGESTD_STOR__PORT", "INGESTD_STATE_DIR", "INGESTD_LOG__LEVEL", "X")
    assert list(mistakes.unknown_variables(dict.fromkeys(names, ""))) == [
        "environment INGESTD_STOR__PORT: no such key; did you mean INGESTD_STORE?"
    ]


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    """A value that may hold a password is not printed."""
    text = '[store]\nmode = "remote"\nurl = ["https://me:hunter2@host"]\n'
    assert "hunter2" not in "".join(told(tmp_path / "c.toml", text))


def test_every_key_has_its_line(tmp_path: Path) -> None:
    """Lines are those of the text, in a file with everything in it."""
    lines = mistakes.line_numbers(WRONG)
    wanted = WRONG.splitlines()
    for place, number in lines.items():
        name = next(part for part in reversed(place) if isinstance(part, str))
        assert name in wanted[number - 1]
    assert load(config=None, state_dir=tmp_path)
