"""The sandbox of the extraction child: what the kernel denies, and what is done without it."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from ingestd.embed.sandbox import calls
from ingestd.embed.sandbox.walls import Walls

if TYPE_CHECKING:
    from pathlib import Path

ALLOW = 0x7FFF0000
PID = 4242
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
WRITE, READ, CREATE, TRUNCATE = os.O_WRONLY, os.O_RDONLY, os.O_CREAT, os.O_TRUNC


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter as the kernel does; returns the error it gives, 0 for none."""
    data = {0: number, 4: MACHINES[machine] if arch is None else arch}
    data |= {16 + 8 * at: value for at, value in enumerate(arguments)}
    code = calls.program(machine, PID)
    accumulator = at = 0
    while True:
        operation, holds, fails, operand = code[at]
        at += 1
        if operation == 0x20:
            accumulator = data.get(operand, 0)
        elif operation == 0x06:
            return 0 if operand == ALLOW else operand & 0xFFFF
        else:
            met = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[operation]
            at += holds if met else fails


@pytest.mark.parametrize("machine", MACHINES)
class TestFilter:
    """The seccomp program, run by hand for both machines."""

    def test_denied_calls(self, machine: str) -> None:
        """Each fails as if the right were missing."""
        known = calls.numbers(machine)
        for name in calls.DENIED:
            if name in known:
                assert verdict(machine, known[name]) == errno.EPERM, name
        assert verdict(machine, known["clone3"]) == errno.ENOSYS
        assert verdict(machine, known["openat2"]) == errno.ENOSYS

    def test_most_calls_pass(self, machine: str) -> None:
        """Those that are not named, whatever their number."""
        known = calls.numbers(machine)
        named = {*known.values()}
        for number in range(470):
            if number not in named:
                assert verdict(machine, number) == 0, number

    def test_files_open_for_reading_only(self, machine: str) -> None:
        """Whatever else the flags say."""
        number = calls.numbers(machine)["openat"]
        assert verdict(machine, number, 0, 0, READ | os.O_CLOEXEC | os.O_NONBLOCK) == 0
        for flags in (WRITE, os.O_RDWR, CREATE, READ | TRUNCATE, os.O_TMPFILE | WRITE):
            assert verdict(machine, number, 0, 0, flags) == errno.EACCES

    def test_threads_but_no_processes(self, machine: str) -> None:
        """A library may start threads."""
        number = calls.numbers(machine)["clone"]
        assert verdict(machine, number, 0x003D0F00) == 0
        assert verdict(machine, number, 0x01200011) == errno.EPERM

    def test_signals_to_itself_only(self, machine: str) -> None:
        """An abort still works."""
        for name in ("kill", "tkill", "tgkill"):
            number = calls.numbers(machine)[name]
            assert verdict(machine, number, PID) == 0
            for other in (1, PID + 1, 0, 0xFFFFFFFF):
                assert verdict(machine, number, other) == errno.EPERM

    def test_nobody_is_signalled_by_way_of_the_kernel(self, machine: str) -> None:
        """A file or a socket may have an owner that gets any signal: the daemon must not be it."""
        known = calls.numbers(machine)
        for command in (8, 10, 15):
            assert verdict(machine, known["fcntl"], 3, command) == errno.EPERM
        for request in (0x8901, 0x8902):
            assert verdict(machine, known["ioctl"], 3, request) == errno.EPERM
        for command in (1, 2, 3, 4, 1030):
            assert verdict(machine, known["fcntl"], 3, command) == 0
        assert verdict(machine, known["ioctl"], 3, 0x5401) == 0

    def test_limits_of_its_own_only(self, machine: str) -> None:
        """Two processes of one user may set each other's limits, which would end the daemon."""
        number = calls.numbers(machine)["prlimit64"]
        assert verdict(machine, number, 0, 0) == 0
        for other in (1, PID + 1, 0xFFFFFFFF):
            assert verdict(machine, number, other) == errno.EPERM

    def test_it_ends_with_its_parent(self, machine: str) -> None:
        """What was asked of the kernel is not taken back; a thread may still be given a name."""
        number = calls.numbers(machine)["prctl"]
        assert verdict(machine, number, 1) == errno.EPERM
        assert verdict(machine, number, 15) == 0

    def test_other_ways_to_call(self, machine: str) -> None:
        """The calls of 32 bits, and of x32, have other numbers: none is let through."""
        assert verdict(machine, 0, arch=0x40000003) == errno.EPERM
        assert verdict(machine, 0x40000000 + 41) == errno.ENOSYS


def run(code: str, *prefix: str) -> dict[str, Any]:
    """Run some code that prints JSON."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own")
PROBE = "from ingestd.embed.sandbox import probe; probe.main()"


@LINUX
def test_what_is_put_up_holds() -> None:
    """Nothing that a wall should deny is possible behind it; without one, it is."""
    found = run(PROBE)
    walls = Walls(**found["walls"])
    if not walls.missing:
        assert found["possible"] == []
    if walls.calls:
        assert not {"open a socket", "start a process"} & {*found["possible"]}
    bare = "from ingestd.embed.sandbox import calls, files, namespace\n"
    bare += "calls.restrict = files.restrict = namespace.enter = lambda *_: 0\n"
    assert set(run(bare + PROBE)["possible"]) >= {"write a file", "read another file"}


@LINUX
@pytest.mark.skipif(platform.machine() not in MACHINES, reason="no filter for this machine")
def test_a_kernel_that_refuses_is_done_without() -> None:
    """Here another filter, as of a container, denies the namespaces."""
    found = run(f"from ingestd.embed.sandbox import calls\ncalls.restrict()\n{PROBE}")
    assert found["walls"]["network"] == ""
    assert Walls(**found["walls"]).missing[0] == "network namespace"
    assert "open a socket" not in found["possible"]


@LINUX
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="sheds rights")
def test_no_right_is_needed(tmp_path: Path) -> None:
    """Nobody in particular gets the same walls as root, where the kernel allows it."""
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    allowed = subprocess.run(
        [*nobody, "unshare", "--user", "--net", "true"], check=False, capture_output=True
    )
    reads = subprocess.run([*nobody, sys.executable, "-c", "import ingestd"], check=False)
    if allowed.returncode or reads.returncode:
        pytest.skip("no namespaces for nobody here")
    assert run(PROBE, *nobody) == run(PROBE)


@LINUX
def test_packages_behind_links_are_loaded(tmp_path: Path) -> None:
    """Late, and from a folder that is nowhere on the path of modules, as some installers do."""
    store, site = tmp_path / "store" / "late", tmp_path / "site"
    store.mkdir(parents=True)
    site.mkdir()
    (store / "__init__.py").write_text("found = True\n", "utf-8")
    (store.parent / "alone.py").write_text("found = True\n", "utf-8")
    (site / "late").symlink_to(store)
    (site / "alone.py").symlink_to(store.parent / "alone.py")
    found = run(f"""
        import json, sys
        sys.path.append({str(site)!r})
        from ingestd.embed.sandbox import walls
        walls.enter()
        import alone, late
        print(json.dumps([alone.found, late.found]))
    """)
    assert found == [True, True]


@LINUX
def test_threads_that_run_already_are_held_too() -> None:
    """The filter is for all of them."""
    found = run("""
        import json, socket, threading
        from ingestd.embed.sandbox import calls
        go, done, said = threading.Event(), threading.Event(), []
        def late():
            go.wait()
            try:
                socket.socket()
                said.append("socket")
            except PermissionError:
                said.append("denied")
            done.set()
        threading.Thread(target=late).start()
        installed = calls.restrict()
        go.set()
        done.wait()
        print(json.dumps({"installed": installed, "said": said}))
    """)
    assert found["said"] == (["denied"] if found["installed"] else ["socket"])
