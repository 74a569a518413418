"""How the managed Chroma server is started: its address, its files, its environment."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOG_LIMIT_BYTES = 5 * 1024 * 1024
DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """How the server is started.

    Attributes:
        data: Chroma's directory.
        log_dir: where its output goes.
        host: address to listen on.
        port: port to listen on.
        start_timeout_s: longest wait until it answers.
        lock_fd: the locked file of the directory, which the server keeps open while it lives.
    """

    data: Path
    log_dir: Path
    host: str
    port: int
    start_timeout_s: float
    lock_fd: int

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        return server_url(self.host, self.port)

    @property
    def config_file(self) -> Path:
        """Its configuration, written at each start."""
        return self.log_dir.parent / "chroma-server.yaml"

    @property
    def log_file(self) -> Path:
        """Its output."""
        return self.log_dir / "chroma.log"


def server_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens on ``host``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IPv4
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_config(plan: ServerPlan) -> str:
    """The server's configuration. JSON is YAML; a file, because flags make it log each request."""
    return json.dumps(
        {
            "listen_address": plan.host,
            "port": plan.port,
            "persist_path": str(plan.data.resolve()),
            "allow_reset": False,
        },
        indent=1,
    )


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what Chroma would take from it: it overrides the configuration."""
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(("CHROMA_", "OTEL_"))
    }


def open_log(path: Path) -> int:
    """Open the log to append to; one that has grown too long is set aside first."""
    shorten_log(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def shorten_log(path: Path) -> None:
    """Set the log aside when it has grown too long; whoever has it open goes on in an empty one."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
