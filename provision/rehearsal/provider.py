"""The provider ``rehearsal``: machines that are modelled, behind servers that are real."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from provision.clock import Deadline, poll
from provision.errors import MachineError
from provision.facts.base import MachineState
from provision.guests import known_hosts
from provision.guests.base import Endpoint, OnLine
from provision.host.files import write_atomically
from provision.host.workspace import Workspace
from provision.rehearsal.client import Client
from provision.rehearsal.faults import parse as parse_faults
from provision.rehearsal.registry import Site, secret_of
from provision.rehearsal.state import stored_names
from provision.secrets import Secret
from provision.settings.model import Machine, Settings
from provision.settings.registries import authorization, registries

USER = "vagrant"
SUFFIX = "-rehearsal"

_STATES: Mapping[str, MachineState] = {"off": "off", "booting": "unreachable", "running": "running"}


def sites(settings: Settings) -> tuple[Site, ...]:
    """The mirrors that the settings name, as the rehearsal plays them: each wants the pull secret that is known."""
    secrets = {host: secret_of(authorization(secret)) for host, secret in settings.network.pull_secrets.items()}
    found = []
    for row in registries(settings.network):
        for url in row.mirrors:
            parts = urlsplit(url)
            found.append(Site(f"{parts.netloc}{parts.path}", row.host, secrets.get(parts.netloc, "")))
        if row.host in secrets:
            found.append(Site(urlsplit(row.server).netloc, row.host, secrets[row.host]))
    return tuple(found)


def shown(name: str) -> str:
    """A node's or a context's name as it may leave the rehearsal."""
    return name if name.endswith(SUFFIX) else name + SUFFIX


class RehearsalProvider:
    """`machines.base.Provider` of modelled machines; no hypervisor, no network but loopback.

    Args:
        workspace: the cluster's folders; everything is kept below ``workspace.rehearsal``.
        settings: of the cluster; ``rehearsal.scale`` and ``rehearsal.faults`` are taken at `prepare`.
    """

    name = "rehearsal"
    parallel = True

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self.workspace = workspace
        self.settings = settings
        self.folder = workspace.rehearsal
        self.client = Client(self.folder)
        self._making = threading.Lock()  # several machines are made at once, with one key

    def check(self) -> None:
        """Judge what the settings say of the rehearsal alone.

        Raises:
            SettingsError: a fault is none.
        """
        parse_faults(self.settings.rehearsal.faults, (machine.name for machine in self.settings.machines))

    def retune(self) -> None:
        """Give machines that were made in an earlier run today's scale and faults."""
        if stored_names(self.folder):
            self._configure()

    def prepare(self, deadline: Deadline, on_line: OnLine) -> None:
        """Start the process, with today's scale and faults.

        Raises:
            SettingsError: a fault is none.
        """
        deadline.check()
        self._configure()
        self.client.start()
        on_line("rehearsal: modelled machines, nothing here is evidence")

    def origin(self) -> str:
        """The base URL of the rehearsal's artifacts; starts the process when it does not run."""
        self._configure()
        return str(self.client.start()["origin"])

    def mirrors(self) -> dict[str, str]:
        """The ``mirrors:`` of a rehearsed run: every https URL comes from the rehearsal's origin."""
        return {"https://": self.origin()}

    def requests(self) -> Mapping[str, int]:
        """What the origin was asked for in this process, and how often."""
        return dict(self.client.call("requests"))

    def ensure_up(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        if machine.name not in stored_names(self.folder):
            # It is made now: what was pinned is the key of an earlier one of this name.
            known_hosts.forget(self.workspace.known_hosts, machine.name)
        self.client.call("ensure", spec=self._spec(machine))
        on_line(f"rehearsal: {machine.name} boots")

        def booted() -> tuple[bool | None, str]:
            power = str(self.client.call("states").get(machine.name, "absent"))
            return (True if power == "running" else None), f"{machine.name} is {power}"

        poll(booted, deadline.at_most(deadline.remaining(), f"boot of {machine.name} (rehearsal)"), every=0.05)

    def endpoint(self, machine: Machine) -> Endpoint:
        answer = self.client.call("endpoint", name=machine.name)
        credentials = self._credentials()
        winrm = machine.reached_over == "winrm"
        return Endpoint(
            machine=machine.name,
            os=machine.os,
            transport=machine.reached_over,
            host="127.0.0.1",
            port=int(answer["port"]),
            user=USER,
            password=Secret(credentials["password"]) if machine.os == "windows" else None,
            key_file=None if winrm else self.folder / "id_ed25519",
            known_hosts=None if winrm else self.workspace.known_hosts,
        )

    def states(self) -> Mapping[str, MachineState]:
        wanted = {machine.name: "absent" for machine in self.settings.machines}
        if not stored_names(self.folder):
            return dict.fromkeys(wanted, "absent")
        powers = self.client.call("states")
        return {name: _STATES.get(powers.get(name, ""), "absent") for name in wanted}

    def made(self) -> frozenset[str]:
        return frozenset(stored_names(self.folder))

    def halt(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        deadline.check()
        if machine.name in stored_names(self.folder):
            self.client.call("halt", name=machine.name)
            on_line(f"rehearsal: {machine.name} is off")
            self._end_when("off")

    def destroy(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        deadline.check()
        if machine.name in stored_names(self.folder):
            self.client.call("destroy", name=machine.name)
            on_line(f"rehearsal: {machine.name} is destroyed")
        self._end_when("absent")

    def discard(self) -> None:
        """Whatever state it is in: nothing of it runs any more; its folder may be removed."""
        self.client.kill()

    def snapshot(self, machine: Machine, name: str, deadline: Deadline, on_line: OnLine) -> None:
        deadline.check()
        on_line("rehearsal: no snapshots")
        raise MachineError(
            f"the rehearsal takes no snapshots ({machine.name}, {name})",
            remedy="`./inv up` makes a rehearsed machine anew in seconds",
        )

    def _end_when(self, power: str) -> None:
        """End the process once no machine needs it any more."""
        powers = self.client.call("states", start=False)
        if powers is not None and all(p == power or p == "off" for p in powers.values()):
            self.client.call("end", start=False)

    def _configure(self) -> None:
        rehearsal = self.settings.rehearsal
        self.check()
        self._credentials()
        self.client.configure(rehearsal.scale, rehearsal.faults, sites(self.settings))

    def _spec(self, machine: Machine) -> dict[str, Any]:
        credentials = self._credentials()
        return {
            "name": machine.name,
            "os": machine.os,
            "role": machine.role,
            "address": str(machine.address) if machine.address else None,
            "mac": machine.mac,
            "user": USER,
            "transport": machine.reached_over,
            "windows_version": machine.windows_version,
            "memory": machine.memory,
            "cpus": machine.cpus,
            "password": credentials["password"] if machine.os == "windows" else None,
            "public_key": credentials["public_key"],
        }

    def _credentials(self) -> dict[str, str]:
        """The throw-away password and key of this rehearsal, made once, 0600."""
        path = self.folder / "credentials.json"
        with self._making:
            if stored_names(self.folder) and not (path.exists() and (self.folder / "id_ed25519").exists()):
                raise self._damaged("it, or the key id_ed25519, is not there")
            if not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o700)
                private, public = _key_pair()
                write_atomically(self.folder / "id_ed25519", private, mode=0o600)
                document = {"rehearsal": True, "password": secrets.token_urlsafe(15), "public_key": public}
                write_atomically(path, json.dumps(document), mode=0o600)
        try:
            found: dict[str, str] = json.loads(path.read_text())
            return {key: str(found[key]) for key in ("password", "public_key")}
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, seen: str) -> MachineError:
        return MachineError(
            f"nobody can log in to the rehearsal's machines: {self.folder / 'credentials.json'} is damaged",
            details=seen,
            remedy="`invoke destroy`, then `invoke up`",
        )


def _key_pair() -> tuple[bytes, str]:
    """A new Ed25519 key in OpenSSH's form, and its public half."""
    from cryptography.hazmat.primitives import serialization  # only needed once a cluster
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()
