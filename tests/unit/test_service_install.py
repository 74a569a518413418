"""The files of a service: written, brought up to date, left alone where edited, taken away."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from ingestd.setup import manager, shipped
from ingestd.setup.files import Action, Files
from ingestd.setup.layout import Target, of_machine
from ingestd.setup.readable import hindrance

PROGRAMS = Path(sys.executable).parent
WRITTEN = {
    "etc/ingestd/config.toml",
    "etc/systemd/system/ingestd.service",
    "etc/systemd/system/ingestd@.service",
    "etc/systemd/system/ingestd-chroma.service",
    "etc/sysusers.d/ingestd.conf",
    "etc/tmpfiles.d/ingestd.conf",
    "etc/sysctl.d/90-ingestd.conf",
}


def service(*words: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the verb."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    if home:
        environment["HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "ingestd", "service", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def found(root: Path) -> set[str]:
    """The files below a folder, but for what is remembered."""
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {name for name in files if not name.endswith(".service.json")}


def actions(*words: str | Path) -> dict[str, str]:
    """What was done, by the name of the file."""
    done = service(*words, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(one["path"]).name: one["action"] for one in lines if one["type"] == "file"}


def test_everything_is_written_and_nothing_twice(tmp_path: Path) -> None:
    """A first run writes units, configuration and limits; a second finds nothing to do."""
    assert set(actions("install", "--root", tmp_path).values()) == {"new"}
    assert found(tmp_path) == WRITTEN
    config = tmp_path / "etc/ingestd/config.toml"
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert tomllib.loads(config.read_text("utf-8")) == {}
    again = actions("install", "--root", tmp_path)
    assert again.pop("config.toml") == "kept"
    assert set(again.values()) == {"unchanged"}


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """It tells what would be done, and that nothing was."""
    done = service("install", "--root", tmp_path, "--dry-run")
    assert "ingestd@.service" in done.stdout
    assert "Nothing was done" in done.stdout
    assert found(tmp_path) == set()


def test_the_service_runs_the_program_that_installed_it(tmp_path: Path) -> None:
    """The units name the environment that the command runs in."""
    service("install", "--root", tmp_path)
    for unit in shipped.UNITS:
        text = (tmp_path / "etc/systemd/system" / unit).read_text("utf-8")
        assert f"\nExecStart={PROGRAMS}/" in text
        assert shipped.PROGRAMS not in text


def test_folders_come_into_the_configuration(tmp_path: Path) -> None:
    """What is named is indexed, also with quotes and blanks in its name."""
    folder = tmp_path / 'a "b" c'
    folder.mkdir()
    service("install", folder, "--root", tmp_path / "root")
    values = tomllib.loads((tmp_path / "root/etc/ingestd/config.toml").read_text("utf-8"))
    assert values == {"sources": [{"path": str(folder)}]}
    again = service("install", folder, "--root", tmp_path / "root")
    assert "add the folders to it yourself" in again.stderr


def test_what_was_edited_stays(tmp_path: Path) -> None:
    """The new text is put beside it; with --force it is overwritten, and never taken away."""
    service("install", "--root", tmp_path)
    unit = tmp_path / "etc/systemd/system/ingestd.service"
    unit.write_text(unit.read_text("utf-8") + "# mine\n", "utf-8")
    assert actions("install", "--root", tmp_path)["ingestd.service"] == "edited"
    assert unit.read_text("utf-8").endswith("# mine\n")
    assert unit.with_name("ingestd.service.new").is_file()
    assert actions("uninstall", "--root", tmp_path, "--dry-run")["ingestd.service"] == "edited"
    assert actions("install", "--root", tmp_path, "--force")["ingestd.service"] == "changed"
    assert "# mine" not in unit.read_text("utf-8")


def test_an_update_replaces_what_nobody_edited(tmp_path: Path) -> None:
    """Text of an older version is brought up to date."""
    files, path = Files(of_machine(), tmp_path), Path("/etc/systemd/system/x.service")
    files.apply(files.plan([Target(path, "old\n")]))
    [step] = files.plan([Target(path, "new\n")])
    assert step.action is Action.CHANGED
    files.apply([step])
    assert files.at(path).read_text("utf-8") == "new\n"
    assert files.plan([Target(path, "new\n")])[0].action is Action.UNCHANGED


def test_uninstall_leaves_configuration_and_what_was_edited(tmp_path: Path) -> None:
    """Ours goes, theirs stays; a second time there is nothing."""
    service("install", "--root", tmp_path, "--drop-in", "private-network")
    assert "etc/systemd/system/ingestd.service.d/private-network.conf" in found(tmp_path)
    edited = tmp_path / "etc/sysctl.d/90-ingestd.conf"
    edited.write_text("fs.inotify.max_user_watches = 5\n", "utf-8")
    done = service("uninstall", "--root", tmp_path)
    assert done.returncode == 0
    assert "/var/lib/ingestd" in done.stdout
    assert found(tmp_path) == {"etc/ingestd/config.toml", "etc/sysctl.d/90-ingestd.conf"}
    assert not (tmp_path / "etc/systemd/system/ingestd.service.d").exists()
    again = service("uninstall", "--root", tmp_path)
    assert (again.returncode, "hint:" in again.stderr) == (12, True)


def test_a_service_of_ones_own(tmp_path: Path) -> None:
    """For a user: no rights are needed, and nothing that his manager refuses is in the unit."""
    done = service("install", "--user", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert found(tmp_path) == {
        ".config/ingestd/config.toml",
        ".config/systemd/user/ingestd.service",
        ".config/systemd/user/ingestd@.service",
    }
    text = (tmp_path / ".config/systemd/user/ingestd.service").read_text("utf-8")
    for refused in ("User=", "StateDirectory=", "ProtectSystem=", "PrivateUsers=", "After="):
        assert refused not in text
    for kept in ("Type=notify", "WatchdogSec=", "NoNewPrivileges=yes", "WantedBy=default.target"):
        assert kept in text
    assert "loginctl enable-linger" in done.stdout
    assert service("uninstall", "--user", home=tmp_path).returncode == 0
    assert found(tmp_path) == {".config/ingestd/config.toml"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("name", ["ingestd.service", "ingestd@.service"])
def test_systemd_has_no_complaint_about_a_unit_of_a_user(name: str, tmp_path: Path) -> None:
    """Every key and value is known to the manager of a user."""
    path = tmp_path / name.replace("@", "@notes")
    path.write_text(shipped.user_unit(PROGRAMS, template="@" in name), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_path_that_systemd_would_misread(tmp_path: Path) -> None:
    """Blanks and signs of systemd's own stand for themselves."""
    text = shipped.unit("ingestd.service", Path("/opt/a b/100%/$x"))
    assert r"ExecStart=/opt/a\x20b/100%%/$$x/ingestd run" in text


def test_an_unknown_drop_in(tmp_path: Path) -> None:
    """The hint names those that there are."""
    done = service("install", "--root", tmp_path, "--drop-in", "nonsense")
    assert done.returncode == 12
    assert "network-share" in done.stderr


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    """It is named, and nothing else is written."""
    (tmp_path / "etc/systemd/system/ingestd.service").mkdir(parents=True)
    done = service("install", "--root", tmp_path)
    assert (done.returncode, "ingestd.service is a folder" in done.stderr) == (11, True)
    assert found(tmp_path) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_only_root_installs_for_the_machine() -> None:
    """Others are told what to do instead; a dry run is for everybody."""
    setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    code = "import sys, os; sys.path[:0] = os.environ['P'].split(':'); from ingestd.cli import main"
    where = f"{Path(shipped.PACKAGE).parent}:{Path(shipped.PACKAGE).parent / 'state'}"
    done = subprocess.run(
        [*setpriv, sys.executable, "-c", f"{code}; sys.argv[1:] = ['service', 'install']; main()"],
        env={"P": where, "HOME": "/nonexistent", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("another user cannot read this environment")
    assert done.returncode == 21, done.stderr
    assert "--user" in done.stderr


def test_what_another_user_may_read() -> None:
    """The first folder on the way that is shut to others is named."""
    with tempfile.TemporaryDirectory() as name:
        inner = Path(name) / "inner"
        inner.mkdir()
        inner.chmod(0o755)
        assert hindrance(inner) == Path(name)
        Path(name).chmod(0o711)
        assert hindrance(inner) is None
        inner.chmod(0o711)
        assert hindrance(inner) == inner


def test_without_systemd_its_commands_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a running manager, or a person, is not run."""
    monkeypatch.setattr(manager, "RUNS", Path("/nonexistent"))
    commands = manager.after_install(user=False, start=True)
    assert any(command.words[0] == "systemctl" for command in commands)
    assert not any(manager.can_run(one) for one in commands if one.words[0] == "systemctl")
