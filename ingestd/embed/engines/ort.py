"""ONNX Runtime, which is not to tell others what it does.

From 1.31 its builds for Linux note each start in the home directory, and send it to their maker.
"""

from __future__ import annotations

import os
from typing import Any

SILENT = "ORT_DISABLE_TELEMETRY"
"""Read by the library once, when it is loaded."""


def runtime() -> Any:
    """The module ``onnxruntime``, loaded when it is first needed: that takes 0.2 s."""
    os.environ.setdefault(SILENT, "1")
    import onnxruntime  # noqa: PLC0415  # see above

    return onnxruntime
