"""Whom ingestd talks to, and that the trace would show it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.network_trace import is_inside, strace, targets

ROOT = Path(__file__).resolve().parents[2]


def needs_strace(tmp_path: Path) -> None:
    """Skip the test where programs cannot be traced."""
    if not shutil.which("strace"):
        pytest.skip("needs strace: apt-get install strace")
    done = subprocess.run([*strace(tmp_path / "true"), "true"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("programs cannot be traced here")


def test_the_trace_shows_who_is_outside(tmp_path: Path) -> None:
    """A program that asks other machines, by connection, datagram or name, is caught."""
    needs_strace(tmp_path)
    program = (
        "import socket\n"
        "for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):\n"
        "    one = socket.socket(socket.AF_INET, kind); one.setblocking(False)\n"
        "    try: one.connect(('192.0.2.1', 9))\n"
        "    except OSError: pass\n"
        "two = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        "try: two.sendto(b'x', ('2001:db8::1', 53))\n"
        "except OSError: pass\n"
        "three = socket.socket(); three.setblocking(False)\n"
        "try: three.connect(('127.0.0.1', 9))\n"
        "except OSError: pass\n"
    )
    trace = tmp_path / "trace"
    subprocess.run([*strace(trace), sys.executable, "-c", program], check=True)
    found = targets(trace.read_text("utf-8").splitlines())
    assert found["AF_INET 192.0.2.1"] == 2
    assert {target for target in found if not is_inside(target)} == {
        "AF_INET 192.0.2.1",
        "AF_INET6 2001:db8::1",
    }
    assert found["AF_INET 127.0.0.1"] == 1


@pytest.mark.model
def test_nobody_outside_is_asked(tmp_path: Path) -> None:
    """A whole run with the real model asks the loopback and Unix sockets, and nobody else."""
    needs_strace(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.network_trace"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 kinds of target outside this machine" in done.stdout
