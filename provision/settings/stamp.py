"""The stamp of a machine: the settings that shaped it, without secrets, and their hash.

It is written on the machine when it is ready; compared with today's settings it says what can be
changed in place and what needs the machine made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from provision.settings.model import Settings
from provision.settings.report import plain

How = Literal["changeable in place", "machine made again"]
IN_PLACE: How = "changeable in place"
AGAIN: How = "machine made again"

# Which settings shape a machine, and what a change of each costs.  What is not here (timeouts, mirrors,
# the rehearsal) leaves no trace on a machine.
_MACHINE: dict[str, How] = {
    "name": AGAIN,
    "os": AGAIN,
    "role": AGAIN,
    "windows_version": AGAIN,
    "box": AGAIN,
    "box_version": AGAIN,
    "box_url": AGAIN,
    "mac": AGAIN,
    "address": AGAIN,
    "transport": IN_PLACE,
    "cpus": IN_PLACE,
    "memory": IN_PLACE,
}
_EVERYWHERE: dict[str, How] = {
    "cluster.name": AGAIN,
    "provider": AGAIN,
    "cni": AGAIN,
    "network.pods": AGAIN,
    "network.services": AGAIN,
    "network.machines": AGAIN,
    "network.proxy": IN_PLACE,
    "network.ca": IN_PLACE,
    "network.registries": IN_PLACE,
    "network.egress": IN_PLACE,
    "kubernetes.version": IN_PLACE,
    "kubernetes.sha": IN_PLACE,
    "kubernetes.ref": IN_PLACE,
    "kubernetes.path": IN_PLACE,
    "kubernetes.binaries": IN_PLACE,
    # kubeadm gives these to every kubelet when it joins, and to none again.
    "kubernetes.feature_gates": AGAIN,
    "kubernetes.kubelet_config": AGAIN,
    "features.node_log_query": AGAIN,
}
_LINUX: dict[str, How] = {
    "containerd.linux": IN_PLACE,
    "containerd.config": IN_PLACE,
    # Flags and log levels that kubeadm writes once; on Windows they stand in the command line of our own service.
    "kubernetes.extra_args": AGAIN,
    "kubernetes.verbosity": AGAIN,
}
_WINDOWS: dict[str, How] = {
    "kubernetes.extra_args": IN_PLACE,
    "kubernetes.verbosity": IN_PLACE,
    "containerd.windows": IN_PLACE,
    "containerd.config": IN_PLACE,
    "hcsshim.sha": IN_PLACE,
    "hcsshim.ref": IN_PLACE,
    "hcsshim.path": IN_PLACE,
    "features.hyperv_isolation": IN_PLACE,
}
# kubeadm init has written these into static pods, certificates and stored objects.  What is built is not among them:
# another commit changes the nodes; the control plane's own version says whether it, too, would be another one.
_PLANE: dict[str, How] = {
    "kubernetes.version": AGAIN,
    "kubernetes.control_plane": AGAIN,
    "kubernetes.runtime_config": AGAIN,
    "kubernetes.kubeadm_patches": AGAIN,
    "machine.address": AGAIN,
    "{cni}.version": IN_PLACE,
    "flannel.backend": AGAIN,
}
# Values that no step brings about on a machine that has another: a way out is never taken from it again.
_ONLY_AT_FIRST: frozenset[tuple[str, str]] = frozenset({("network.egress", "none")})


@dataclass(frozen=True)
class Stamp:
    """What shaped a machine.

    Attributes:
        settings: field -> value, as JSON knows it; the machine's own fields begin with ``machine.``.
    """

    settings: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 over the fields in order."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The text of the machine's stamp.json: one line."""
        return json.dumps({"hash": self.hash, "settings": dict(self.settings)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Stamp:
        """The stamp in a text that `to_json` made.

        Raises:
            ValueError: it is none, or its hash does not fit (somebody edited it).
        """
        try:
            document = json.loads(text)
            stamp, digest = cls(dict(document["settings"])), document["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a stamp: {text[:60]!r}") from error
        if stamp.hash != digest:
            raise ValueError("the stamp's hash does not fit its settings")
        return stamp


@dataclass(frozen=True)
class Change:
    """One field that differs between a machine's stamp and today's settings.

    Attributes:
        before: what the machine was made with.
        now: what the settings say.
        in_place: it can be changed on the machine; else the machine has to be made again.
    """

    field: str
    before: Any
    now: Any
    in_place: bool


def _fields(settings: Settings, machine: str) -> dict[str, How]:
    own = settings.machine(machine)
    fields = {f"machine.{key}": how for key, how in _MACHINE.items()} | _EVERYWHERE
    fields |= _WINDOWS if own.os == "windows" else _LINUX
    if own.role == "control-plane":
        fields |= {key.replace("{cni}", settings.cni): how for key, how in _PLANE.items()}
        if settings.cni != "flannel":
            del fields["flannel.backend"]
    return fields


def stamp(settings: Settings, machine: str) -> Stamp:
    """The stamp that a machine of these completed settings gets; KeyError for an unknown machine."""
    own = settings.machine(machine)
    values: dict[str, Any] = {}
    for field in _fields(settings, machine):
        here: Any = settings
        parts = field.split(".")
        if parts[0] == "machine":
            here, parts = own, parts[1:]
        for part in parts:
            here = getattr(here, part)
        values[field] = plain(here)
    return Stamp(values)


def compare(old: Stamp, settings: Settings, machine: str) -> list[Change]:
    """What has changed since a machine was stamped, in a fixed order; empty when nothing has.

    A field that one of the two does not have counts as null there.
    """
    before = old.settings
    now = stamp(settings, machine).settings
    ways = _fields(settings, machine)
    return [
        Change(
            field,
            before.get(field),
            now.get(field),
            ways.get(field, AGAIN) == IN_PLACE and (field, str(now.get(field))) not in _ONLY_AT_FIRST,
        )
        for field in [*now, *(field for field in before if field not in now)]
        if before.get(field) != now.get(field)
    ]
