"""A machine of its own for a real systemd: namespaces in which it is process 1.

Its ``/etc``, ``/var``, ``/opt``, ``/usr/local``, ``/root`` and ``/home`` are copies of which
nothing stays, its ``/run``, ``/srv`` and ``/tmp`` are empty, and its network is a loopback. Nothing
of the machine outside is changed. Run as a program, it gives a shell inside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SYSTEMD = Path("/lib/systemd/systemd")
NAMESPACES = ("--fork", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net")
DEADLINE_S = 60.0
COPIED = ("etc", "var", "root", "home", "opt", "usr/local")
SET_UP = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up 2>/dev/null || true
mkdir -p /run/over
mount -t tmpfs -o mode=755 tmpfs /run/over
for one in {copied}; do
    over="/run/over/$one"
    mkdir -p "$over/upper" "$over/work"
    mount -t overlay -o "lowerdir=/$one,upperdir=$over/upper,workdir=$over/work" overlay "/$one"
done
chmod 755 /root /run/over/*/upper
rm -rf /etc/ingestd /var/lib/ingestd* /var/cache/ingestd* /etc/systemd/system/*
echo 12345678901234567890123456789012 > /etc/machine-id
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir /srv/share
mount --bind {share} /srv/share
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p /run/systemd/system
cd /run/systemd/system
for one in systemd-journald.service systemd-journald.socket; do
    ln -s "/lib/systemd/system/$one" .
done
for one in sysinit basic multi-user shutdown; do
    printf '[Unit]\\nDescription=%s\\nDefaultDependencies=no\\n' "$one" > "$one.target"
done
printf 'Requires=systemd-journald.service sysinit.target\\n' >> multi-user.target
printf 'Requires=systemd-journald.service\\nAfter=systemd-journald.service\\n' >> sysinit.target
cd /
exec env -i "PATH=$PATH" container=test SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system \\
    {systemd} --log-level=info --log-target=console --show-status=0 --unit=multi-user.target
"""


class CannotBootError(Exception):
    """There is no systemd here, or this kernel or container does not let it be process 1."""


class Machine:
    """A booted systemd; a context manager.

    Attributes:
        share: a folder outside that is ``/srv/share`` inside.
    """

    def __init__(self) -> None:
        self.share = Path(tempfile.mkdtemp(prefix="machine-"))
        self._group: Path | None = None
        self._unshare: subprocess.Popen[bytes] | None = None
        self._first = 0

    def boot(self) -> Self:
        """Start it, and wait until systemd answers.

        Raises:
            CannotBootError: it does not.
        """
        needed = [one for one in ("unshare", "nsenter", "ip", "systemctl") if not shutil.which(one)]
        if os.geteuid() or not SYSTEMD.exists() or needed:
            raise CannotBootError(f"needs root, {SYSTEMD} and unshare, nsenter, ip and systemctl")
        self._group = _own_group()
        script = SET_UP.format(copied=" ".join(COPIED), share=self.share, systemd=SYSTEMD)
        try:
            with (self.share / "boot.log").open("wb") as log:
                self._unshare = subprocess.Popen(
                    ["unshare", *NAMESPACES, "sh", "-c", script],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=self._join,  # noqa: PLW1509 - one write, before the namespaces
                )
        except subprocess.SubprocessError as error:
            self.halt()
            raise CannotBootError(f"{self._group} cannot be entered") from error
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end and self._unshare.poll() is None:
            if self._found() and self.run("systemctl", "is-system-running").stdout.strip() in {
                "running",
                "degraded",
            }:
                return self
            time.sleep(0.1)
        told = (self.share / "boot.log").read_text("utf-8", "replace").strip().splitlines()
        self.halt()
        raise CannotBootError(f"systemd does not come up: {told[-1] if told else 'no word'}")

    def _join(self) -> None:
        if self._group is not None:
            (self._group / "cgroup.procs").write_text("0")

    def _found(self) -> bool:
        assert self._unshare is not None
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        with contextlib.suppress(OSError, ValueError, IndexError):
            first = int(children.read_text().split()[0])
            self._first = first if Path(f"/proc/{first}/comm").read_text() == "systemd\n" else 0
        return bool(self._first)

    def words(self, *words: str | Path) -> list[str]:
        """A command as it has to be called from outside."""
        inside = ["nsenter", "--target", str(self._first), "--mount", "--pid", "--uts", "--ipc"]
        where = ["--net", "--cgroup", "--root", "--wd=/"]
        return [*inside, *where, "--", *map(str, words)]

    def run(
        self, *words: str | Path, check: bool = False, limit_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root.

        Args:
            words: the command.
            check: it has to succeed.
            limit_s: how long it may take.
        """
        env = {key: value for key, value in os.environ.items() if not key.startswith("INGESTD_")}
        done = subprocess.run(
            self.words(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
            env={**env, "HOME": "/root", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
        )
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        told = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names))
        return dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)

    def journal(self, unit: str) -> str:
        """What a unit wrote."""
        return self.run("journalctl", "--unit", unit, "--output=cat", "--no-pager").stdout

    def halt(self) -> None:
        """End all that runs in it."""
        if self._unshare is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._first or self._unshare.pid, signal.SIGKILL)  # ends its namespace
            if not self._first:
                self._unshare.kill()
            self._unshare.wait()
            self._unshare = None
        if self._group is not None:
            _remove(self._group)
            self._group = None
        shutil.rmtree(self.share, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.boot()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.halt()


def _own_group() -> Path:
    """A control group below which systemd makes its own.

    Raises:
        CannotBootError: there are no control groups of the second kind, or none can be made.
    """
    for top in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (top / "cgroup.procs").exists() and (top / "cgroup.subtree_control").exists():
            group = top / f"machine-{os.getpid()}"
            try:
                group.mkdir()
            except OSError as error:
                raise CannotBootError(f"{group}: {error.strerror}") from error
            return group
    raise CannotBootError("there are no control groups of version 2")


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        for _ in range(20):
            try:
                Path(folder).rmdir()
                break
            except OSError:
                time.sleep(0.05)


if __name__ == "__main__":
    with Machine() as machine:
        sys.stdout.write(f"{' '.join(machine.words('bash'))}\n")
        subprocess.run(machine.words("bash"), check=False)
