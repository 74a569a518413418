"""The units, run by a real systemd, from installation to removal.

Each test goes on where the one before it ended: installing takes longer than all of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from booted_machine import CannotBootError, Machine
from server import INGESTD, Server, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = "/srv/handbook"
HASH = '[model]\nname = "hash"\n'
MOST_EXPOSED = 2.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with an empty configuration and one document."""
    for place in (ROOT, Path(sys.prefix), Path(sys.base_prefix)):
        if place.is_relative_to("/tmp") or place.is_relative_to("/srv"):
            pytest.skip(f"{place} is hidden on a machine of its own")
    machine = Machine()
    try:
        machine.boot()
    except CannotBootError as error:
        pytest.skip(f"no systemd can be booted here: {error}")
    try:
        tried = machine.run("runuser", "-u", "nobody", "--", INGESTD, "version")
        if tried.returncode:
            pytest.skip(f"{INGESTD} is not for every user: {tried.stderr.strip()[-200:]}")
        machine.run("mkdir", DOCS, check=True)
        write(machine, "first.md", "# First\n\nThe first of all documents.\n")
        yield machine
    finally:
        machine.halt()


@pytest.fixture(scope="module")
def server(machine: Machine) -> Server:
    """The instance without a name."""
    return Server(machine)


def write(machine: Machine, name: str, text: str) -> None:
    """Save a document, or any file."""
    path = name if name.startswith("/") else f"{DOCS}/{name}"
    machine.run("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, path, check=True)


def drop_in(machine: Machine, unit: str, text: str) -> None:
    """Change a unit, as ``systemctl edit`` does."""
    folder = f"/etc/systemd/system/{unit}.d"
    machine.run("mkdir", "-p", folder, check=True)
    write(machine, f"{folder}/test.conf", text)
    machine.run("systemctl", "daemon-reload", check=True)


def test_it_is_installed_as_documented(machine: Machine, server: Server) -> None:
    """A dry run writes nothing; then user, configuration and units are there, and it starts."""
    told = machine.run(INGESTD, "service", "install", DOCS, "--dry-run", check=True).stdout
    assert "ingestd.service" in told
    assert machine.run("test", "-e", "/etc/systemd/system/ingestd.service").returncode
    machine.run(INGESTD, "service", "install", DOCS, check=True)
    assert machine.run("stat", "-c", "%a %U %G", "/etc/ingestd/config.toml").stdout.split() == [
        *("640", "root", "ingestd")
    ]
    text = machine.run("cat", server.config, check=True).stdout
    write(machine, server.config, f"{text}\n{HASH}")
    machine.run("systemctl", "enable", "--now", "ingestd", check=True)
    assert server.show("ActiveState") == "active"
    eventually(server.ready)
    eventually(lambda: server.finds("The first of all documents."))
    assert server.show("UnitFileState") == "enabled"


def test_it_is_shut_in(machine: Machine, server: Server) -> None:
    """The daemon and its children have a user of their own, no rights, and filtered calls."""
    processes = machine.run("pgrep", "-u", "ingestd").stdout.split()
    assert len(processes) >= 3  # the daemon, Chroma, and the child that reads
    for process in processes:
        told = machine.run("cat", f"/proc/{process}/status", check=True).stdout
        fields = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert fields["CapEff"] == fields["CapPrm"] == fields["CapAmb"] == "0" * 16
    daemon = machine.run("cat", f"/proc/{server.pid}/status", check=True).stdout
    assert "CapBnd:\t0000000000000000\n" in daemon
    done = machine.run("systemd-analyze", "security", "--no-pager", server.unit)
    if done.returncode == 0:  # it needs a message bus
        exposure = done.stdout.split("Overall exposure level")[1].split(":")[1].split()[0]
        assert float(exposure) <= MOST_EXPOSED


def test_it_tells_how_far_it_is(server: Server) -> None:
    """``systemctl status`` shows what was done."""
    eventually(lambda: "1 document done" in server.show("StatusText"))


def test_an_edit_is_found(machine: Machine, server: Server) -> None:
    """What is saved while it runs can be searched."""
    write(machine, "second.md", "# Second\n\nAn edit under a real systemd.\n")
    eventually(lambda: server.finds("An edit under a real systemd."))


def test_doctor_tells_the_service_user_that_all_is_well(server: Server) -> None:
    """As that user, beside the daemon."""
    told = [json.loads(line) for line in server.verb("doctor", "--json").splitlines()]
    checks = [one for one in told if one["type"] == "check"]
    assert [check for check in checks if check["level"] == "fail"] == []
    assert {check["name"]: check["message"] for check in checks}["health"] == "ready"


def test_a_reload_says_what_it_does_and_refuses_a_bad_configuration(
    machine: Machine, server: Server
) -> None:
    """The process stays the same; what is wrong is told in its status."""
    before = server.pid
    text = machine.run("cat", server.config, check=True).stdout
    machine.run("mkdir", "/srv/notes", check=True)
    write(machine, "/srv/notes/note.md", "# Note\n\nA source that a restart added.\n")
    write(machine, server.config, f'{text}\n[[sources]]\npath = "/srv/notes"\n')
    server.control("reload")
    eventually(lambda: "a restart is needed for sources" in server.show("StatusText"))
    assert server.pid == before
    server.control("restart")
    eventually(lambda: server.finds("A source that a restart added."))
    before = server.pid
    write(machine, server.config, f"{text}\n[[sources]\n")
    machine.run("systemctl", "reload", server.unit)
    eventually(lambda: "configuration refused" in server.show("StatusText"))
    assert server.pid == before
    assert server.ready()
    write(machine, server.config, f'{text}\n[[sources]]\npath = "/srv/notes"\n')
    server.control("reload")
    eventually(lambda: "refused" not in server.show("StatusText"))


def test_the_watchdog_replaces_a_daemon_that_hangs(machine: Machine, server: Server) -> None:
    """No sign of life: systemd ends it, and the next one goes on."""
    drop_in(machine, server.unit, "[Service]\nWatchdogSec=4\nRestartSec=1\n")
    server.control("restart")
    eventually(server.ready)
    before = server.pid
    machine.run("kill", "-STOP", str(before), check=True)
    write(machine, "third.md", "# Third\n\nWritten while the daemon hangs.\n")
    eventually(lambda: server.pid not in (0, before))
    assert int(server.show("NRestarts")) == 1
    assert "watchdog" in machine.run("journalctl", "--no-pager", "-o", "cat").stdout.lower()
    eventually(lambda: server.ready() and server.finds("Written while the daemon hangs."))
    machine.run("rm", "-r", f"/etc/systemd/system/{server.unit}.d", check=True)
    machine.run("systemctl", "daemon-reload", check=True)


def test_a_kill_loses_nothing(machine: Machine, server: Server) -> None:
    """It is started again, once its children are gone, and finds what happened meanwhile."""
    server.control("restart")
    before = server.pid
    machine.run("kill", "-KILL", str(before), check=True)
    write(machine, "fourth.md", "# Fourth\n\nWritten while nobody watches.\n")
    machine.run("rm", f"{DOCS}/second.md", check=True)
    eventually(lambda: server.pid not in (0, before))
    eventually(lambda: server.ready() and server.finds("Written while nobody watches."))
    eventually(lambda: not server.finds("An edit under a real systemd."))


def test_a_broken_configuration_is_not_tried_again_and_again(
    machine: Machine, server: Server
) -> None:
    """Exit code 4 is for a person."""
    text = machine.run("cat", server.config, check=True).stdout
    write(machine, server.config, f"{text}\n[model]\nname = 7\n")
    machine.run("systemctl", "restart", server.unit)
    eventually(lambda: server.show("ActiveState") == "failed")
    assert server.show("ExecMainStatus") == "4"
    assert server.show("NRestarts") == "0"
    write(machine, server.config, text)
    server.control("start")
    eventually(server.ready)


def test_a_second_instance_has_its_own_place(machine: Machine) -> None:
    """``ingestd@notes`` beside the first, with a page, a port and a state of its own."""
    text = f'{HASH}[[sources]]\npath = "/srv/notes"\n[store]\nport = 8010\n'
    write(machine, "/etc/ingestd/notes.toml", text)
    machine.run("chgrp", "ingestd", "/etc/ingestd/notes.toml", check=True)
    notes = Server(machine, "ingestd@notes.service", "notes", "127.0.0.1:8767")
    notes.control("start")
    eventually(notes.ready)
    eventually(lambda: notes.finds("A source that a restart added."))
    assert notes.documents()["indexed"] == 1
    notes.control("stop")


def test_a_chroma_of_its_own(machine: Machine) -> None:
    """``ingestd-chroma.service``, and an instance that uses it as a remote one."""
    path, address = "/var/lib/ingestd-chroma", "--host 127.0.0.1 --port 8020"
    start = f"ExecStart=\nExecStart={INGESTD.parent}/chroma run --path {path} {address}"
    # The Python of a developer may be in a home, which is hidden from it.
    drop_in(machine, "ingestd-chroma.service", f"[Service]\n{start}\nProtectHome=read-only\n")
    machine.run("systemctl", "start", "ingestd-chroma", check=True)
    remote = 'mode = "remote"\nurl = "http://127.0.0.1:8020"'
    text = f'{HASH}[[sources]]\npath = "/srv/notes"\n[store]\n{remote}\n'
    write(machine, "/etc/ingestd/notes.toml", text)
    notes = Server(machine, "ingestd@notes.service", "notes", "127.0.0.1:8767")
    notes.control("start")
    eventually(notes.ready)
    eventually(lambda: notes.finds("A source that a restart added."))
    machine.run("systemctl", "kill", "--signal=KILL", "ingestd-chroma", check=True)
    eventually(lambda: not notes.ready())
    eventually(notes.ready)  # systemd starts it, and the daemon comes back to it
    assert notes.finds("A source that a restart added.")
    machine.run("systemctl", "stop", "ingestd@notes", "ingestd-chroma", check=True)


def test_a_network_of_its_own(machine: Machine, server: Server) -> None:
    """With the drop-in nobody reaches its Chroma; page and health are at a socket."""
    words = (INGESTD, "service", "install", "--drop-in", "private-network")
    machine.run(*words, check=True)
    server.control("restart")
    inside = Server(machine, address="/run/ingestd/http.sock")
    eventually(inside.ready)
    assert server.ask("/readyz")[0] == 0
    write(machine, "fifth.md", "# Fifth\n\nNobody hears of it.\n")
    eventually(lambda: inside.ask("/v1/query?q=Nobody%20hears%20of%20it.")[1]["hits"])
    port = ("bash", "-c", "echo > /dev/tcp/127.0.0.1/8000")
    assert machine.run(*port).returncode
    assert machine.run("stat", "-c", "%a", "/run/ingestd").stdout.strip() == "750"


def test_a_stop_leaves_no_process(machine: Machine, server: Server) -> None:
    """In order, and soon."""
    server.control("stop")
    assert (server.show("Result"), server.show("ActiveState")) == ("success", "inactive")
    assert machine.run("pgrep", "-u", "ingestd").stdout == ""


def test_it_is_taken_away(machine: Machine, server: Server) -> None:
    """Units go; the configuration and the index stay, and the command says where."""
    told = machine.run(INGESTD, "service", "uninstall", check=True).stdout
    assert "/var/lib/ingestd" in told
    assert server.show("LoadState") == "not-found"
    assert not machine.run("test", "-s", "/var/lib/ingestd/state.db").returncode
    assert not machine.run("test", "-s", server.config).returncode


def test_a_user_without_rights_has_one_of_their_own(machine: Machine) -> None:
    """``--user``, under a manager of that user; it stays out of the rest of the machine."""
    machine.run("useradd", "--create-home", "alice", check=True)
    user = machine.run("id", "-u", "alice").stdout.strip()
    runtime = f"XDG_RUNTIME_DIR=/run/user/{user}"
    machine.run("install", "-d", "-o", "alice", f"/run/user/{user}", check=True)
    settings = ("--uid=alice", "--property=Delegate=yes", f"--setenv={runtime}")
    machine.run("systemd-run", *settings, "/lib/systemd/systemd", "--user", check=True)
    write(machine, "/home/alice/mine.md", "# Mine\n\nAll of alice's own.\n")
    own = ("runuser", "-u", "alice", "--", "env", "HOME=/home/alice", runtime)

    def call(*words: str | Path) -> str:
        return machine.run(*own, *words, check=True).stdout

    eventually(
        lambda: machine.run("test", "-S", f"/run/user/{user}/systemd/private").returncode == 0
    )
    call(INGESTD, "service", "install", "--user", "/home/alice")
    config = "/home/alice/.config/ingestd/config.toml"
    write(machine, config, f"{machine.run('cat', config, check=True).stdout}\n{HASH}")
    call("systemctl", "--user", "enable", "--now", "ingestd")
    eventually(Server(machine).ready)
    eventually(lambda: "All of alice's own." in call(INGESTD, "query", "All of alice's own."))
    call("systemctl", "--user", "reload", "ingestd")
    call(INGESTD, "service", "uninstall", "--user")
    assert machine.run("pgrep", "-u", "alice", "-f", "ingestd").stdout == ""
    assert not machine.run(
        *own, "test", "-s", "/home/alice/.local/state/ingestd/state.db"
    ).returncode
