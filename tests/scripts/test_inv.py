"""`inv` with a project of its own: a fake Python whose venv and pip only leave marks, so that it takes no time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, until

INV = Path(__file__).parents[2] / "inv"

# Stands for Python: makes "virtual environments" of itself, "installs" by writing to a log, "runs invoke" by echo.
_PYTHON = """#!/bin/sh
log={log}
printf '%s\\n' "$*" >> "{log}.calls"
case "$*" in
    *sys.version_info*) exit {version_code} ;;
    '-c import venv, ensurepip') exit {venv_code} ;;
    '-c import virtualenv') exit {virtualenv_code} ;;
    *'-m venv '* | *'-m virtualenv '*)
        for last in "$@"; do :; done
        printf 'venv %s\\n' "$2" >> "$log"
        mkdir -p "$last/bin" && cp "$0" "$last/bin/python"
        ;;
    *'-m pip --version') echo 'pip 1' ;;
    *'-m pip install'*)
        [ ! -f {slow} ] || {{ printf 'slow\\n' >> "$log"; sleep 600; }}
        printf 'pip %s\\n' "$*" >> "$log"
        exit {pip_code}
        ;;
    *'start.py --search-root'*)
        printf 'invoke in %s: %s\\n' "$PWD" "$*"
        [ -z "${{SHOW_COMMAND:-}}" ] || printf '%s\\n' "${{HYBRID_COMMAND-unset}}"
        [ -z "${{SHOW_COMPILED:-}}" ] ||
            printf '%s %s\\n' "${{PYTHONDONTWRITEBYTECODE-unset}}" "${{PYTHONPYCACHEPREFIX-unset}}"
        ;;
    *) printf 'unexpected: %s\\n' "$*" >> "$log"; exit 99 ;;
esac
"""


class Project:
    """A folder with `inv`, its two input files and the fake Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "it's here"
        self.folder.mkdir()
        shutil.copy(INV, self.folder / "inv")
        (self.folder / "requirements.lock").write_text("one==1\n")
        (self.folder / "pyproject.toml").write_text("[project]\n")
        self.log = folder / "log"
        self.slow = folder / "slow"
        self.python = folder / "bin" / "fake-python"
        self.python.parent.mkdir()
        self.path = "/usr/bin:/bin"
        self.more: dict[str, str] = {}
        self.make_python()

    def make_python(self, **codes: int) -> None:
        values = {"version_code": 0, "venv_code": 0, "virtualenv_code": 1, "pip_code": 0, **codes}
        self.python.write_text(_PYTHON.format(log=self.log, slow=self.slow, **values))
        self.python.chmod(0o755)

    def environment(self) -> dict[str, str]:
        return {"PATH": self.path, "HYBRID_PYTHON": str(self.python), "HOME": str(self.folder), **self.more}

    def run(self, *args: str, cwd: Path | None = None, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shell, str(self.folder / "inv"), *args],
            cwd=cwd or self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )

    def logged(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.is_file() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_first_call_installs_and_runs_invoke(project: Project, shell: str) -> None:
    done = project.run("up", "--set", "a=b c", shell=shell)
    assert done.returncode == 0, done.stderr
    assert f"--search-root {project.folder} up --set a=b c" in done.stdout
    made, locked, itself = project.logged()
    assert made.startswith("venv")
    assert f"--requirement {project.folder}/requirements.lock" in locked
    assert f"--no-deps --no-build-isolation --editable {project.folder}" in itself


def test_the_second_call_installs_nothing_and_costs_nothing(project: Project) -> None:
    project.run("up")
    before, calls = project.logged(), project.log.with_suffix(".calls")
    calls.unlink()
    assert project.run("up").returncode == 0
    assert project.logged() == before
    # Python is started once, for the task itself.
    assert calls.read_text().splitlines() == [
        f"-P {project.folder}/provision/host/start.py --search-root {project.folder} up"
    ]


@pytest.mark.parametrize(
    ("environment", "seen"),
    [
        ({}, "unset unset"),
        ({"PYTHONDONTWRITEBYTECODE": "1"}, "unset {venv}/compiled"),
        ({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/own"}, "unset /own"),
    ],
)
def test_compiled_modules_are_kept_but_not_beside_the_code_where_that_is_not_wanted(
    project: Project, environment: dict[str, str], seen: str
) -> None:
    project.more = {"SHOW_COMPILED": "1", **environment}
    done = project.run("up")
    assert done.stdout.splitlines()[-1] == seen.format(venv=project.folder / ".venv")


def test_it_says_how_it_was_called(project: Project) -> None:
    """So that the next command that a text names can be typed as it stands."""
    project.more = {"SHOW_COMMAND": "1"}
    assert project.run("up").stdout.splitlines()[-1] == str(project.folder / "inv")
    called = ["sh", "inv", "up"]
    done = subprocess.run(called, cwd=project.folder, env=project.environment(), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "./inv"


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_changed_file_is_installed_into_the_same_venv(project: Project, changed: str) -> None:
    project.run("up")
    (project.folder / changed).write_text("two==2\n")
    project.run("up")
    assert [line.split()[0] for line in project.logged()] == ["venv", "pip", "pip", "pip", "pip"]


def test_killed_half_way_the_next_call_starts_anew(project: Project) -> None:
    project.slow.write_text("")
    child = subprocess.Popen(
        ["sh", str(project.folder / "inv"), "up"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: "slow" in project.logged(), "the installation")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    project.slow.unlink()
    done = project.run("up")
    assert done.returncode == 0, done.stderr
    # The environment of the killed installation is not trusted: another one is made.
    assert [line.split()[0] for line in project.logged()] == ["venv", "slow", "venv", "pip", "pip"]


def test_a_failed_installation_says_so_and_is_mended(project: Project) -> None:
    project.make_python(pip_code=1)
    failed = project.run("up")
    assert failed.returncode == 3
    assert "run the same command again" in failed.stderr
    project.make_python()
    assert project.run("up").returncode == 0


def test_a_second_call_waits_for_the_first(project: Project) -> None:
    busy = project.folder / ".venv.busy"
    busy.write_text(f"{os.getpid()}\n")
    child = subprocess.Popen(
        ["sh", str(project.folder / "inv"), "up"],
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    assert "waiting for process" in child.stderr.readline()
    assert project.logged() == []
    busy.unlink()
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 0


def test_called_from_another_folder_and_through_a_link(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "bin" / "inv").symlink_to(project.folder / "inv")
    done = subprocess.run(
        [str(tmp_path / "bin" / "inv"), "plan"],
        cwd=elsewhere,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert f"invoke in {elsewhere}: -P " in done.stdout and f"--search-root {project.folder} plan" in done.stdout


def test_without_the_venv_module_virtualenv_is_used(project: Project) -> None:
    project.make_python(venv_code=1, virtualenv_code=0)
    assert project.run("up").returncode == 0
    assert project.logged()[0] == "venv virtualenv"


def test_without_both_the_one_command_is_named(project: Project) -> None:
    project.make_python(venv_code=1)
    # This computer's programs without its virtualenv.
    programs = project.folder.parent / "programs"
    programs.mkdir()
    for program in {path.name: path for path in (*Path("/bin").iterdir(), *Path("/usr/bin").iterdir())}.values():
        if program.name != "virtualenv":
            (programs / program.name).symlink_to(program)
    project.path = str(programs)
    done = project.run("up")
    assert done.returncode == 3
    assert any(word in done.stderr for word in ("apt-get install", "dnf install", "brew install", "install Python's"))


def test_a_python_that_is_too_old_is_not_taken(project: Project) -> None:
    project.make_python(version_code=1)
    empty = {**project.environment(), "PATH": str(_only_tools(project))}
    done = subprocess.run(
        ["/bin/sh", str(project.folder / "inv"), "up"], env=empty, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 3
    assert "Python 3.11 or newer is needed" in done.stderr


def _only_tools(project: Project) -> Path:
    """A PATH without any Python."""
    folder = project.folder.parent / "tools"
    folder.mkdir()
    for tool in ("cat", "cmp", "dirname", "readlink", "rm", "mv", "sleep"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return folder


def test_the_lock_names_exact_versions_and_no_index() -> None:
    rows = [row for row in (INV.parent / "requirements.lock").read_text().splitlines() if not row.startswith("#")]
    assert rows
    assert all("==" in row and "://" not in row and "@" not in row for row in rows)


def test_the_lock_holds_what_is_installed_here() -> None:
    """The environment that runs the tests is the one that users get."""
    from importlib.metadata import PackageNotFoundError, version

    if not Path(sys.prefix, "inv-installed").is_file():
        pytest.skip("this environment was not made by ./inv")
    wrong = []
    for row in (INV.parent / "requirements.lock").read_text().splitlines():
        if "==" in row and not row.startswith("#"):
            name, wanted = row.split("==")
            try:
                found = version(name)
            except PackageNotFoundError:
                found = "nothing"
            if found != wanted:
                wrong.append(f"{name}: {found}, not {wanted}")
    assert not wrong
