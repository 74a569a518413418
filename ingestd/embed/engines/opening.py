"""Opens the engine that was chosen for a model, and another where it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingestd.embed.engines.batches import TORCH, USUAL
from ingestd.embed.engines.choice import NAMES, Choice
from ingestd.embed.engines.export import GRAPH, exported, folder_of
from ingestd.errors import ModelMissingError

if TYPE_CHECKING:
    from ingestd.embed.engines.batched import BatchedEmbedder
    from ingestd.embed.engines.planning import Plan
    from ingestd.embed.engines.torch import TorchEmbedder
    from ingestd.ports import Embedder

    Opened = BatchedEmbedder | TorchEmbedder


class Opener:
    """Opens a model as it is planned.

    Args:
        plan: what is to run it. Where ``auto`` was asked for, another engine may step in.
        tell: whether the log says what runs.
    """

    def __init__(self, plan: Plan, *, tell: bool) -> None:
        self._plan = plan
        self._tell = tell

    def open(self, *, measure: bool) -> Embedder:
        """Open the model.

        Args:
            measure: whether it pays to find out what is better; meanwhile the usual one embeds.

        Raises:
            ModelMissingError: it cannot be loaded, or not by the engine that was asked for.
            EngineMissingError: torch cannot use the device.
        """
        choice = self._plan.choice
        if (choice.engine, choice.device, self._plan.wish.engine) == ("torch", "cpu", "auto"):
            self._warn(choice.engine, choice.reason)
        opened = self._open()
        self._say()
        if not (measure and self._plan.open):
            return opened
        from ingestd.embed.engines.measurement import Measurement  # noqa: PLC0415  # seldom
        from ingestd.embed.engines.settling import SettlingEmbedder  # noqa: PLC0415  # the same

        plan = self._plan
        graph = folder_of(plan.spec, plan.cache_dir) / GRAPH
        measurement = Measurement(plan.spec, graph, plan.first, plan.file)
        return SettlingEmbedder(opened, measurement, self._settle)

    def _settle(self, opened: Opened) -> Opened:
        """Go over to what was found best. When it is another engine, the one before is closed."""
        before, self._plan = self._plan, self._plan.again()
        choice = self._plan.choice
        if choice == before.choice:
            return opened
        if choice.key == before.choice.key:
            opened.batch = choice.batch
        else:
            try:
                better = self._exported(choice)
            except Exception as error:  # noqa: BLE001  # whatever it is, the usual one goes on
                self._plan = before
                self._warn(before.choice.engine, str(error))
                return opened
            opened.close()
            opened = better
        self._say()
        return opened

    def _open(self) -> Opened:
        choice = self._plan.choice
        if choice.device != "cpu":
            return self._open_gpu(choice)
        if choice.engine == "torch":
            return self._torch(choice)
        try:
            return self._exported(choice)
        except ModelMissingError:
            raise
        except Exception as error:  # also what the engines raise, which has no common class
            if self._plan.wish.engine != "auto" or choice.precision == "int8":
                raise ModelMissingError(
                    f"{NAMES[choice.engine]} cannot run the model "
                    f"{self._plan.spec.public_name} in {choice.precision}: {error}",
                    hint="Leave `model.engine` and `model.precision` at auto.",
                ) from error
            self._fall_back(choice, str(error))
        return self._open()

    def _open_gpu(self, choice: Choice) -> Opened:
        opened = self._torch(choice)
        if opened.device == "cpu":  # torch cannot use the device after all
            opened.close()
            self._plan = self._plan.on_cpu()
            return self._open()
        return opened

    def _torch(self, choice: Choice) -> TorchEmbedder:
        from ingestd.embed.engines.torch import TorchEmbedder  # noqa: PLC0415  # only this one

        plan = self._plan
        sure = choice.device == "cpu" or plan.wish.device != "auto"
        return TorchEmbedder(
            plan.spec,
            device=choice.device if sure else None,
            precision=choice.precision,
            threads=plan.threads,
        )

    def _exported(self, choice: Choice) -> BatchedEmbedder:
        from ingestd.embed.engines.onnx import OnnxEmbedder  # noqa: PLC0415  # only this one
        from ingestd.embed.engines.openvino import OpenVinoEmbedder  # noqa: PLC0415  # the same

        plan, batch = self._plan, choice.batch
        graph = exported(plan.spec, plan.cache_dir)
        if choice.engine == "onnx":
            return OnnxEmbedder(plan.spec, graph, threads=plan.threads, batch=batch)
        return OpenVinoEmbedder(
            plan.spec, graph, precision=choice.precision, threads=plan.threads, batch=batch
        )

    def _fall_back(self, choice: Choice, reason: str) -> None:
        """Plan for the next engine: after OpenVINO that of ONNX Runtime, after that torch."""
        engine = "onnx" if choice.engine == "openvino" else "torch"
        precision = choice.precision if engine == "torch" else "fp32"
        batch = USUAL if engine == "onnx" else TORCH[precision]
        following = Choice(engine, precision, "cpu", f"{NAMES[choice.engine]} fails", batch)
        self._plan = replace(self._plan, first=following, measured=None)
        self._warn(engine, reason)

    def _warn(self, engine: str, reason: str) -> None:
        import structlog  # noqa: PLC0415  # slow to import, and seldom needed

        structlog.get_logger(__name__).warning(
            "engine_fallback", model=self._plan.spec.public_name, engine=engine, reason=reason
        )

    def _say(self) -> None:
        if not self._tell:
            return
        import structlog  # noqa: PLC0415  # slow to import, and short processes do without

        structlog.get_logger(__name__).info("model_engine", **self._plan.told())
