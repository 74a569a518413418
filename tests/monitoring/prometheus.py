"""A real Prometheus, asked over its own interface."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Self

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

MISSING = not (shutil.which("prometheus") and shutil.which("promtool"))
REASON = "needs prometheus and promtool: apt-get install prometheus"


class Prometheus:
    """Reads daemons each second, in a folder of its own.

    Args:
        folder: for its configuration and data.
        port: where it listens.
        targets: addresses of daemons, HOST:PORT.
        rules: groups of rules.
        token: of the daemons.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        targets: list[str],
        rules: Mapping[str, Any],
        token: str = "",
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        self._port = port
        job: dict[str, Any] = {"job_name": "ingestd", "static_configs": [{"targets": targets}]}
        if token:
            job["authorization"] = {"credentials": token}
        (folder / "rules.yml").write_text(yaml.safe_dump(dict(rules)), "utf-8")
        (folder / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(folder / "rules.yml")],
                    "scrape_configs": [job],
                }
            ),
            "utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._http.close()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now; none while it starts."""
        try:
            answer = self._http.get("/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return []
        told = answer.json()
        assert told["status"] == "success", f"{expression}: {told}"
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def firing(self, instance: str = ".*") -> set[str]:
        """The alerts that fire, of an instance or of all."""
        found = self.ask(f'ALERTS{{alertstate="firing",instance=~"{instance}"}}')
        return {sample["metric"]["alertname"] for sample in found}

    def fired(self, seconds: float) -> set[str]:
        """The alerts that fired at some time in the last so many seconds."""
        asked = f'max_over_time(ALERTS{{alertstate="firing"}}[{int(seconds) + 1}s])'
        return {sample["metric"]["alertname"] for sample in self.ask(asked)}
