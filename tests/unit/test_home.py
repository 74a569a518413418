"""A state directory that is deleted, moved or replaced under the daemon."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from ingestd import home
from ingestd.errors import StateError
from ingestd.home import Home

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The lock and the table of a state directory."""
    state = tmp_path / "state"
    state.mkdir()
    for name in ("ingestd.lock", "state.db"):
        (state / name).write_text(name)
    return [state / "ingestd.lock", state / "state.db"]


def test_it_stays(files: list[Path]) -> None:
    """Writing to the files is not losing them."""
    kept = Home(*files)
    files[1].write_text("more")
    assert not kept.gone()


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced", "table"])
def test_what_is_gone_is_seen(files: list[Path], how: str) -> None:
    """Deleted, moved away, another directory in its place, or just the table deleted."""
    kept, state = Home(*files), files[0].parent
    if how == "deleted":
        shutil.rmtree(state)
    elif how == "moved":
        state.rename(state.with_name("elsewhere"))
    elif how == "replaced":
        shutil.copytree(state, state.with_name("copy"))
        state.rename(state.with_name("elsewhere"))
        state.with_name("copy").rename(state)
    else:
        files[1].unlink()
    assert kept.gone()


def test_the_watch_ends_with_an_error_that_names_the_place(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that looks every second raises, which ends the daemon with exit code 11."""
    monkeypatch.setattr(home, "LOOK_S", 0.01)

    async def lose() -> None:
        task = asyncio.create_task(Home(*files).keep())
        await asyncio.sleep(0.05)
        assert not task.done()
        shutil.rmtree(files[0].parent)
        await asyncio.wait_for(task, 10)

    with pytest.raises(StateError, match=r"state\.db") as caught:
        asyncio.run(lose())
    assert caught.value.exit_code == 11


def test_a_file_that_is_not_there_from_the_start_is_told(tmp_path: Path) -> None:
    """A directory that went between opening and watching is gone as well."""
    with pytest.raises(StateError):
        Home(tmp_path / "missing")
