"""Machines made by Vagrant. The only door to python-vagrant."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vagrant

from provision.clock import Deadline, sleep
from provision.errors import DeadlineExceeded, HostError, MachineError, ProvisionError
from provision.facts.base import MachineState
from provision.guests import known_hosts
from provision.guests.base import Endpoint, OnLine
from provision.host.commands import run
from provision.host.files import write_atomically
from provision.host.workspace import Workspace
from provision.machines.causes import LOCKED, error_for, recognise
from provision.machines.output import Heard, told
from provision.machines.vagrantfile import allowed_by_virtualbox, box_of, box_version, vagrantfile
from provision.secrets import Secret
from provision.settings.model import Machine, Settings

# No look at the network for newer versions, no colours, no progress bars meant for a terminal.
ENVIRONMENT: Mapping[str, str] = {
    "VAGRANT_CHECKPOINT_DISABLE": "1",
    "VAGRANT_NO_COLOR": "1",
    "VAGRANT_BOX_UPDATE_CHECK_DISABLE": "1",
    "VAGRANT_NO_PARALLEL": "1",
}

_QUERY_SECONDS = 120.0
_STATES: Mapping[str, MachineState] = {
    "not_created": "absent",
    "running": "running",
    "unknown": "unreachable",
    "inaccessible": "unreachable",
    "preparing": "unreachable",
    "gurumeditation": "unreachable",
    "starting": "unreachable",
    "restoring": "unreachable",
}  # everything else (poweroff, shutoff, off, saved, aborted, paused, ...) is a machine that is off


@dataclass(frozen=True)
class Traits:
    """What differs between Vagrant's providers for us.

    Attributes:
        parallel: whether several `vagrant up` may overlap.  Sources: the plugin of each provider declares it
            (vagrant-libvirt does; virtualbox, hyperv and vmware_desktop do not).
        gate: where machines may overlap, a word of the output after which the next one may start: what
            comes before it (importing the box's disk, making networks) is not safe against itself.
    """

    parallel: bool
    gate: str = ""


TRAITS: Mapping[str, Traits] = {
    "virtualbox": Traits(parallel=False),
    "vmware_desktop": Traits(parallel=False),
    "hyperv": Traits(parallel=False),
    "libvirt": Traits(parallel=True, gate="Starting domain"),
}


class Driver(vagrant.Vagrant):
    """python-vagrant with our own way to run the program: input closed, streamed, logged, with a deadline.

    One object serves one operation; it is cheap.
    """

    def __init__(self, root: Path, deadline: Deadline, on_line: OnLine, log: Path) -> None:
        super().__init__(root=str(root))
        self._deadline = deadline
        self._on_line = on_line
        self._log = log

    def _make_vagrant_command(self, args: Sequence[str | None]) -> list[str]:
        program = shutil.which("vagrant")
        if program is None:
            raise HostError("vagrant is not on PATH", remedy="install Vagrant (2.3 or newer)")
        return [program, *(arg for arg in args if arg is not None)]

    def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
        command = self._make_vagrant_command(args)
        words = " ".join(["vagrant", *command[1:]])
        with self._log.open("a", encoding="utf-8") as log:
            heard = Heard(log, self._on_line)
            heard.note(f"$ {words}")
            done = run(command, timeout=self._deadline.remaining(), cwd=Path(self.root), env=ENVIRONMENT, on_line=heard)
            heard.note(f"exit code {done.code}")
        if done.code != 0:
            everything, shown = told(done.out, done.err)
            raise error_for(f"`{words}` ended with exit code {done.code}", everything, shown)
        return done.out

    def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
        self._run_vagrant_command(args)

    def _stream_vagrant_command(self, args: Sequence[str | None]) -> Iterator[str]:
        yield from self._run_vagrant_command(args).splitlines()

    def _parse_machine_readable_output(self, output: str) -> list[list[str]]:
        # A plugin's or Ruby's warning between the lines is none of them.
        lines = [line for line in output.splitlines() if line.count(",") >= 3]
        rows: list[list[str]] = super()._parse_machine_readable_output("\n".join(lines))
        return rows

    def winrm_config(self, vm_name: str) -> dict[str, str]:
        """What `vagrant winrm-config` says: HostName, Port, User, Password."""
        parsed: dict[str, str] = self._parse_config(self._run_vagrant_command(["winrm-config", vm_name]))
        return parsed

    def box_import(self, name: str, source: str | None, provider: str, version: str | None) -> None:
        """Add a box; a box that is there already is no error for us: `has_box` is asked first."""
        constraint = ["--box-version", version] if version else []
        named = ["--name", name] if source else []
        where = name if not source else source if "://" in source else f"file://{source}"
        self._call_vagrant_command(["box", "add", "--provider", provider, *constraint, *named, where])

    def has_box(self, name: str, provider: str, version: str | None) -> bool:
        """Whether the box is imported; a version constraint other than an exact one counts as not."""
        return any(
            box.name == name and box.provider == provider and version in (None, box.version) for box in self.box_list()
        )

    def about(self) -> tuple[str, frozenset[str], frozenset[tuple[str, str]]]:
        """(version, names of plugins, (name, provider) of imported boxes)."""
        try:
            version = str(self.version())
        except Exception as error:  # python-vagrant raises a bare Exception for words that it does not know
            if isinstance(error, ProvisionError):
                raise
            raise HostError(
                "`vagrant --version` says no version", details=str(error), remedy="install Vagrant anew"
            ) from error
        plugins = frozenset(plugin.name for plugin in self.plugin_list())
        return version, plugins, frozenset((box.name, box.provider) for box in self.box_list())

    def snapshot(self, machine: str, name: str) -> None:
        """`vagrant snapshot save` of one machine; python-vagrant's own takes no machine name."""
        self._call_vagrant_command(["snapshot", "save", "--force", machine, name])


@dataclass(frozen=True)
class Box:
    """A box to import: its name, where it comes from (None: the catalogue), and its version (None: any)."""

    name: str
    source: str | None
    version: str | None


class VagrantProvider:
    """The machines of one cluster, by Vagrant.

    Args:
        settings: with a Vagrant provider's name in ``settings.provider``.
        workspace: Vagrant runs in ``workspace.vagrant``; its words go to ``vagrant.log`` beside it.
    """

    def __init__(self, settings: Settings, workspace: Workspace) -> None:
        self.name = str(settings.provider)
        self.parallel = TRAITS[self.name].parallel
        self._settings = settings
        self._workspace = workspace
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._endpoints: dict[str, Endpoint] = {}
        self._imports: dict[Box, threading.Lock] = {}
        self._imported: set[Box] = set()

    @property
    def log(self) -> Path:
        """Every command and every line of Vagrant's, with times."""
        return self._workspace.folder / "vagrant.log"

    def vagrantfile(self) -> str:
        """The Vagrantfile that would be used.

        Raises:
            SettingsError: options or addresses that this provider cannot take.
        """
        conf = Path("/etc/vbox/networks.conf")
        return vagrantfile(self._settings, allowed_by_virtualbox(conf.read_text() if conf.is_file() else None))

    def prepare(self, deadline: Deadline, on_line: OnLine) -> None:
        """Write the Vagrantfile and import the control plane's box; the other boxes follow in the background.

        A machine waits for its own box alone: the Linux machine never for the Windows one.
        """
        self._write_vagrantfile()
        first = self._box(self._settings.control_plane)
        others = {box for machine in self._settings.machines if (box := self._box(machine)) != first}
        for box in sorted(others, key=lambda box: box.name):
            threading.Thread(target=self._import_behind, args=(box, deadline, on_line), daemon=True).start()
        self._import(first, deadline, on_line)

    def ensure_up(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """`vagrant up NAME`: make the machine or start it; returns when it has booted."""
        self._forget(machine)
        if not self._id_file(machine.name).is_file():
            self._import(self._box(machine), deadline, on_line)
        with self._turn(on_line) as heard:
            self._unlocked(
                lambda: self._driver(deadline, heard).up(vm_name=machine.name, provider=self.name, no_provision=True),
                deadline,
                on_line,
            )
        self._unpin_if_new(machine)

    def endpoint(self, machine: Machine) -> Endpoint:
        """From `vagrant ssh-config` or `vagrant winrm-config`; asked once a run and machine."""
        with self._lock:
            known = self._endpoints.get(machine.name)
        if known is None:
            known = self._ask_endpoint(machine)
            with self._lock:
                self._endpoints[machine.name] = known
        return known

    def states(self) -> Mapping[str, MachineState]:
        """`vagrant status` for all machines at once; no process at all while nothing has been made."""
        names = [machine.name for machine in self._settings.machines]
        if not any(self._id_file(name).is_file() for name in names) or not self._vagrantfile_path.is_file():
            return dict.fromkeys(names, "absent")
        self._write_vagrantfile()
        deadline = Deadline(_QUERY_SECONDS, "vagrant status")
        said = {status.name: status.state for status in self._driver(deadline, _silent).status()}
        return {name: state_of(said.get(name)) for name in names}

    def made(self) -> frozenset[str]:
        """By the files in which Vagrant keeps the ids of its machines."""
        ids = (self._workspace.vagrant / ".vagrant" / "machines").glob(f"*/{self.name}/id")
        return frozenset(path.parent.parent.name for path in ids)

    def halt(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """`vagrant halt NAME`; nothing happens when the machine has not been made."""
        if self._id_file(machine.name).is_file():
            self._forget(machine)
            self._unlocked(lambda: self._driver(deadline, on_line).halt(vm_name=machine.name), deadline, on_line)

    def destroy(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """`vagrant destroy --force NAME`; nothing happens when the machine has not been made."""
        if self._id_file(machine.name).is_file():
            self._forget(machine)
            self._unlocked(lambda: self._driver(deadline, on_line).destroy(vm_name=machine.name), deadline, on_line)

    def snapshot(self, machine: Machine, name: str, deadline: Deadline, on_line: OnLine) -> None:
        """`vagrant snapshot save --force NAME SNAPSHOT`."""
        self._unlocked(lambda: self._driver(deadline, on_line).snapshot(machine.name, name), deadline, on_line)

    @property
    def _vagrantfile_path(self) -> Path:
        return self._workspace.vagrant / "Vagrantfile"

    def _id_file(self, name: str) -> Path:
        return self._workspace.vagrant / ".vagrant" / "machines" / name / self.name / "id"

    def _driver(self, deadline: Deadline, on_line: OnLine) -> Driver:
        self._workspace.vagrant.mkdir(parents=True, exist_ok=True)
        return Driver(self._workspace.vagrant, deadline, on_line, self.log)

    def _box(self, machine: Machine) -> Box:
        name, source = box_of(self._settings, machine)
        return Box(name, source, box_version(machine, source))

    def _import(self, box: Box, deadline: Deadline, on_line: OnLine) -> None:
        """Import a box unless it is there; whoever comes second waits for the first."""
        with self._lock:
            turn = self._imports.setdefault(box, threading.Lock())
        if not turn.acquire(timeout=deadline.remaining()):
            raise deadline.error(f"box {box.name} is still being imported")
        try:
            if box in self._imported:
                return
            driver = self._driver(deadline, on_line)
            if not driver.has_box(box.name, self.name, box.version):
                on_line(f"importing box {box.name}")
                driver.box_import(box.name, box.source, self.name, box.version)
            self._imported.add(box)
        finally:
            turn.release()

    def _import_behind(self, box: Box, deadline: Deadline, on_line: OnLine) -> None:
        try:
            self._import(box, deadline, on_line)
        except ProvisionError as error:
            # The machine that needs it tries again and reports what it finds.
            on_line(f"box {box.name} could not be imported yet: {error.what}")

    def _write_vagrantfile(self) -> None:
        text = self.vagrantfile()
        path = self._vagrantfile_path
        with self._lock:
            if not path.is_file() or path.read_text() != text:
                write_atomically(path, text)

    def _forget(self, machine: Machine) -> None:
        self._write_vagrantfile()
        with self._lock:
            self._endpoints.pop(machine.name, None)

    def _unpin_if_new(self, machine: Machine) -> None:
        """Forget the host key of an earlier machine of this name, once Vagrant has made another one.

        Vagrant's id of the machine is noted when its key may be pinned, so that a kill in between loses nothing. Only
        another id counts: a key that changed on the machine that we know stays an error.
        """
        made = self._id_file(machine.name).read_text().strip() if self._id_file(machine.name).is_file() else ""
        noted = self._workspace.vagrant / f"{machine.name}.id"
        before = noted.read_text().strip() if noted.is_file() else None
        if made and made != before:
            if before is not None:
                known_hosts.forget(self._workspace.known_hosts, machine.name)
            write_atomically(noted, made + "\n")

    def _ask_endpoint(self, machine: Machine) -> Endpoint:
        driver = self._driver(Deadline(_QUERY_SECONDS, f"the endpoint of {machine.name}"), _silent)
        transport = machine.reached_over
        said = driver.winrm_config(machine.name) if transport == "winrm" else driver.conf(vm_name=machine.name)
        try:
            host, port, user = said["HostName"], int(said["Port"]), said["User"]
        except (KeyError, ValueError) as error:
            raise MachineError(
                f"{machine.name}: Vagrant does not say where it is reached",
                details="\n".join(f"{key} {value}" for key, value in said.items() if key != "Password"),
                remedy=f"see {self.log}",
            ) from error
        key = said.get("IdentityFile")
        password = said.get("Password")
        return Endpoint(
            machine=machine.name,
            os=machine.os,
            transport=transport,
            host=host,
            port=port,
            user=user,
            password=Secret(password) if password else None,
            key_file=Path(key) if key else None,
            known_hosts=self._workspace.known_hosts,
        )

    @contextlib.contextmanager
    def _turn(self, on_line: OnLine) -> Iterator[OnLine]:
        """One machine at a time through what is not safe against itself; the next may follow after the gate."""
        gate = TRAITS[self.name].gate
        self._gate.acquire()
        held = [True]

        def leave() -> None:
            if held:
                held.clear()
                self._gate.release()

        def heard(line: str) -> None:
            if gate and gate in line:
                leave()
            on_line(line)

        try:
            yield heard
        finally:
            leave()

    def _unlocked(self, operation: Callable[[], Any], deadline: Deadline, on_line: OnLine) -> None:
        """Run an operation; while a Vagrant process of a killed run still holds the machine, try again."""
        while True:
            try:
                operation()
                return
            except MachineError as error:
                if recognise(error.what + error.details) is not LOCKED or deadline.expired:
                    raise
                on_line("waiting for another Vagrant process to let go of the machine")
                sleep(min(3.0, deadline.remaining()))
            except DeadlineExceeded as error:
                raise DeadlineExceeded(
                    error.what,
                    details=error.details,
                    remedy="look at the machine's screen; raise `timeouts.boot` if it is only slow",
                ) from error


def state_of(vagrant_state: str | None) -> MachineState:
    """Vagrant's (or its provider's) word for a state as one of ours."""
    if vagrant_state is None:
        return "absent"
    return _STATES.get(vagrant_state, "off")


def _silent(_: str) -> None:
    """For queries: nobody watches their lines."""
