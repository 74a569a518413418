"""What would run a model, by what is asked for, installed and measured; nothing is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ingestd.embed.engines import export
from ingestd.embed.engines.batches import UNBOUNDED
from ingestd.embed.engines.choice import NAMES, PACKAGES, Choice, Wish, choose, settle
from ingestd.embed.engines.cores import usable_cores
from ingestd.embed.engines.machine import look
from ingestd.embed.engines.measured import Measured, file_of, recall

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.embed.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model with files is to be run.

    Attributes:
        spec: the model.
        wish: what the configuration asks for.
        cache_dir: where exports and measurements are kept.
        first: the choice before anything was measured.
        threads: cores to use on a CPU.
        measured: what was measured on this machine; None where nothing was.
    """

    spec: ModelSpec
    wish: Wish
    cache_dir: Path
    first: Choice
    threads: int
    measured: Measured | None

    @property
    def choice(self) -> Choice:
        """What runs the model."""
        return settle(self.first, self.measured)

    @property
    def file(self) -> Path:
        """Where the measurement is remembered."""
        return file_of(self.spec, self.cache_dir, self.first, self.threads)

    @property
    def open(self) -> bool:
        """Whether a measurement may change it, and there is none."""
        return self.first.measurable and self.measured is None

    def again(self) -> Plan:
        """The same, with what is measured by now."""
        return replace(self, measured=recall(self.file))

    def on_cpu(self) -> Plan:
        """The same without a GPU."""
        return plan(self.spec, self.cache_dir, replace(self.wish, device="cpu"), self.threads)

    def told(self) -> dict[str, Any]:
        """What runs the model and why, for log and JSON."""
        choice = self.choice
        told: dict[str, Any] = {
            "engine": choice.engine,
            "version": _version(choice.engine),
            "precision": choice.precision,
            "device": choice.device,
            "reason": choice.reason,
        }
        if choice.device == "cpu":
            told["threads"] = self.threads
        told["batch_texts"] = choice.batch.texts
        if choice.batch.tokens != UNBOUNDED:
            told["batch_tokens"] = choice.batch.tokens
        return told | self._loss()

    def sentence(self) -> str:
        """The same in words."""
        choice, told = self.choice, self.told()
        parts = [f"{NAMES[choice.engine]} {told['version']}, {choice.precision} on {choice.device}"]
        if "threads" in told:
            parts.append(f"{self.threads} thread{'s' if self.threads > 1 else ''}")
        measured = " (not measured yet)" if self.open else " (as measured)"
        how = measured if self.first.measurable else ""
        parts.append(f"batches of {choice.batch.texts}{how}")
        parts.append(choice.reason)
        if "mean_cosine" in told:
            mean, least = told["mean_cosine"], told["least_cosine"]
            parts.append(f"loss: cosine to fp32 {mean:.4f} in the mean, {least:.4f} at the least")
        return "; ".join(parts)

    def _loss(self) -> dict[str, float]:
        """What int8 costs, measured when it was exported; nothing of the others."""
        if self.choice.precision != "int8":
            return {}
        try:
            note = export.note(export.folder_of(self.spec, self.cache_dir))
            return {name: round(note[of], 4) for name, of in _LOSSES.items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


_LOSSES = {"mean_cosine": "mean_cosine", "least_cosine": "worst_cosine"}


def plan(spec: ModelSpec, cache_dir: Path, wish: Wish, threads: int | None) -> Plan:
    """Plan how to run a model with files.

    Raises:
        EngineMissingError: what is asked for is not on this machine.
        ConfigError: the wishes contradict each other.
    """
    first = choose(wish, look(spec))
    unmeasured = Plan(spec, wish, cache_dir, first, threads or usable_cores(), None)
    return unmeasured.again() if first.measurable else unmeasured


def _version(engine: str) -> str:
    try:
        return metadata.version(PACKAGES[engine])
    except metadata.PackageNotFoundError:
        return ""
