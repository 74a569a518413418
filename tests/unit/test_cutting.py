"""What the configuration says of chunks, and what it leaves to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.config import load
from ingestd.embed.cutting import MOST_BY_DEFAULT, Cutting
from ingestd.embed.model import locate
from ingestd.instance import make_cutting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("longest", "most"), [(256, 256), (384, 384), (509, 384), (8_192, 384)])
def test_a_model_that_takes_more_gets_chunks_of_384_tokens(longest: int, most: int) -> None:
    """The default is what the model takes, but no more than what was found to be found well."""
    assert MOST_BY_DEFAULT == 384
    cutting = Cutting.asked(None, None, 0, longest)
    assert (cutting.max_tokens, cutting.size) == (most, None)


@pytest.mark.parametrize(("tokens", "most"), [(128, 128), (500, 500), (9_000, 509)])
def test_what_is_asked_for_holds_within_the_model(tokens: int, most: int) -> None:
    """A number of the configuration is kept, up to the longest input."""
    assert Cutting.asked(tokens, None, 0, 509).max_tokens == most


def test_a_window_is_cut_short_by_the_model_alone() -> None:
    """Who asks for windows of so many characters gets them as long as the model takes."""
    assert Cutting.asked(None, 1_500, 200, 509) == Cutting(509, 1_500, 200)


def test_the_configuration_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings reach the cutting: the packaged model's 256 tokens, and fewer where asked."""
    spec = locate("hash")
    settings, _ = load(state_dir=tmp_path)
    assert make_cutting(settings, spec).max_tokens == 256
    monkeypatch.setenv("INGESTD_CHUNK__TOKENS", "100")
    settings, _ = load(state_dir=tmp_path)
    assert make_cutting(settings, spec).max_tokens == 100
