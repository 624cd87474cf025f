"""Machines that exist already: hosts, users, keys or passwords from the settings; nothing is made or deleted."""

# ruff: noqa: ARG002 - the methods take what other providers need
from __future__ import annotations

import getpass
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from provision.clock import Deadline, poll
from provision.errors import AuthenticationRefused, DeadlineExceeded, MachineError, Refused, SettingsError
from provision.facts.base import MachineState
from provision.guests.base import Endpoint, OnLine
from provision.guests.certificates import read_certificate
from provision.host.files import write_atomically
from provision.host.workspace import Workspace
from provision.secrets import Secret
from provision.settings.layers import password_variable
from provision.settings.model import Machine, Settings

_PORTS = {"ssh": 22, "winrm": 5985}
_HTTPS_PORT = 5986
_PROBE_SECONDS = 3.0
# Seconds for a machine that nobody here starts: it runs, or is being restarted, or its description is wrong.
_PATIENCE = 60.0

Ask = Callable[[str], str]


class ExistingProvider:
    """The machines of one cluster that somebody else made and keeps.

    Args:
        ask: asks a person for a password; None when there is nobody to ask.
    """

    name = "existing"
    parallel = True

    def __init__(
        self,
        settings: Settings,
        workspace: Workspace,
        ask: Ask | None = None,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._ask = ask or (getpass.getpass if sys.stdin is not None and sys.stdin.isatty() else None)
        self._lock = threading.Lock()
        self._passwords: dict[str, Secret | None] = {}

    def prepare(self, deadline: Deadline, on_line: OnLine) -> None:
        """See that every machine has what is needed to reach it, and ask for passwords before work begins.

        Raises:
            SettingsError: a machine without host or user.
            AuthenticationRefused: a password is needed and nobody can be asked.
        """
        self._described(self._settings.machines)
        for machine in self._settings.machines:
            self._password(machine)

    def ensure_up(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Wait until the machine's port answers: we cannot start it.

        Raises:
            MachineError: nothing answers within the deadline.
        """
        on_line(f"waiting for {machine.host}:{port_of(machine)}")

        def answers() -> tuple[bool | None, str]:
            seen = probe(machine)
            return (True, "") if seen is None else (None, seen)

        waited = deadline.at_most(min(_PATIENCE, self._settings.timeouts.boot), f"{machine.name} at {machine.host}")
        seen = probe(machine)
        if seen is None:
            return
        if seen.startswith("the name"):
            raise MachineError(
                f"{machine.name}: {seen}", remedy=f"correct `host` of machine {machine.name} in variables.yaml"
            )
        try:
            poll(answers, waited, every=2.0)
        except DeadlineExceeded as error:
            raise MachineError(
                f"{machine.name} does not answer",
                details=error.details,
                remedy="start it, look at its address and its firewall, then run `invoke up` again",
            ) from error

    def endpoint(self, machine: Machine) -> Endpoint:
        """From the settings; which have the password, or from the prompt, asked once."""
        self._described([machine])
        port = port_of(machine)
        transport = machine.reached_over
        https = transport == "winrm" and port == _HTTPS_PORT
        return Endpoint(
            machine=machine.name,
            os=machine.os,
            transport=transport,
            host=machine.host or str(machine.address),
            port=port,
            user=machine.user or "",
            password=self._password(machine),
            key_file=machine.key.expanduser() if machine.key else None,
            known_hosts=self._workspace.known_hosts,
            certificate=self._pinned(machine) if https else None,
            https=https,
        )

    def states(self) -> Mapping[str, MachineState]:
        """By a probe of each machine's port, all at once: running or unreachable; never absent."""
        machines = self._settings.machines
        with ThreadPoolExecutor(max_workers=min(32, len(machines))) as pool:
            seen = list(pool.map(probe, machines))
        return {
            machine.name: "running" if what is None else "unreachable"
            for machine, what in zip(machines, seen, strict=True)
        }

    def made(self) -> frozenset[str]:
        """None: they are somebody else's."""
        return frozenset()

    def halt(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Refused: the machine is not ours to stop."""
        raise _not_ours(machine, "stop")

    def destroy(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Refused: the machine is not ours to delete."""
        raise _not_ours(machine, "delete")

    def snapshot(self, machine: Machine, name: str, deadline: Deadline, on_line: OnLine) -> None:
        """Refused: only its own hypervisor can."""
        raise _not_ours(machine, "snapshot")

    @staticmethod
    def _described(machines: Iterable[Machine]) -> None:
        lacking = [
            f"machines.{machine.name}.{key}: provider existing needs it"
            for machine in machines
            for key in ("host", "user")
            if not getattr(machine, key)
        ]
        if lacking:
            raise SettingsError(
                "the machines are not described", details="\n".join(lacking), remedy="add these keys to variables.yaml"
            )

    def _pinned(self, machine: Machine) -> str:
        """The fingerprint of the machine's certificate, pinned at first contact."""
        file = self._workspace.certs / f"{machine.name}.sha256"
        with self._lock:
            if not file.is_file():
                shown = read_certificate(machine.host or str(machine.address), port_of(machine))
                write_atomically(file, shown + "\n")
            return file.read_text(errors="replace").strip()  # a damaged one fits no certificate

    def _password(self, machine: Machine) -> Secret | None:
        with self._lock:
            if machine.name not in self._passwords:
                self._passwords[machine.name] = self._find_password(machine)
            return self._passwords[machine.name]

    def _find_password(self, machine: Machine) -> Secret | None:
        if machine.password is not None:
            return machine.password
        if machine.key is not None and machine.reached_over == "ssh":
            return None
        if self._ask is None:
            variable = password_variable(machine.name)
            raise AuthenticationRefused(
                f"{machine.name}: there is neither a key nor a password",
                remedy=f"set {variable} in the environment, or `key` of the machine (SSH), or run in a terminal",
            )
        return Secret(self._ask(f"password of {machine.user} on {machine.name} ({machine.host}): "))


def port_of(machine: Machine) -> int:
    """The machine's own port, or its transport's."""
    return machine.port or _PORTS[machine.reached_over]


def probe(machine: Machine) -> str | None:
    """None when the machine's port speaks (SSH: its banner; WinRM: it connects), otherwise what was seen."""
    host, port = machine.host or str(machine.address), port_of(machine)
    try:
        with socket.create_connection((host, port), timeout=_PROBE_SECONDS) as connection:
            if machine.reached_over != "ssh":
                return None
            banner = connection.recv(64)
            return None if banner.startswith(b"SSH-") else f"{host}:{port} does not speak SSH: {banner[:32]!r}"
    except socket.gaierror as error:
        return f"the name {host} does not resolve ({error})"
    except OSError as error:
        return f"{host}:{port} does not answer ({error.strerror or error})"


def _not_ours(machine: Machine, what: str) -> Refused:
    return Refused(
        f"{machine.name} exists without us, so it is not ours to {what}",
        remedy=f"{what} it with the tool that it was made with",
    )
