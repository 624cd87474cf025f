"""What contradicts itself is refused before anything starts. Pure: settings and knowledge only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from provision.settings.checks import Finding, machines, networks, options, registries, versions
from provision.settings.model import Machine, Settings
from provision.settings.problems import Origin, Path, Problem

Check = Callable[[Settings], Iterator[Finding]]
CheckOfGiven = Callable[[Settings, frozenset[Path]], Iterator[Finding]]


@dataclass(frozen=True)
class Verdict:
    """Contradictions, and what is only worth knowing."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


# Each check with the keys that it reads (``*``: of any machine): where one of them is itself unusable, the check is
# left out, for what it would find was not what the user wrote.
CHECKS: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (versions.known_release, ("kubernetes.version",)),
    (versions.skew, ("kubernetes",)),
    (versions.binaries, ("kubernetes.binaries",)),
    (versions.patches, ("kubernetes.kubeadm_patches", "machines.*.os")),
    (versions.components, ("kubernetes.extra_args",)),
    (versions.runtime, ("kubernetes.version", "containerd")),
    (versions.which_hcsshim, ("hcsshim",)),
    (versions.network_plugin, ("kubernetes.version", "cni", "calico", "antrea", "flannel")),
    (
        versions.network_plugin_on_windows,
        ("cni", "calico", "antrea", "flannel", "machines.*.os", "machines.*.windows_version"),
    ),
    (networks.sizes, ("network",)),
    (networks.egress, ("network",)),
    (registries.registries, ("network.registries",)),
    (registries.containerd_config, ("containerd",)),
    (registries.mirrors, ("mirrors",)),
    (networks.addresses, ("network.machines", "machines.*.address", "machines.*.host")),
    (networks.macs, ("machines.*.mac", "provider")),
    (machines.one_control_plane, ("machines.*.role", "machines.*.os")),
    (machines.names, ("machines.*.name", "machines.*.os")),
    (machines.transports, ("machines.*.transport", "machines.*.os")),
    (machines.sizes, tuple(f"machines.*.{key}" for key in ("role", "os", "cpus", "memory"))),
    (
        machines.boxes,
        ("provider", *(f"machines.*.{key}" for key in ("os", "windows_version", "box", "box_version", "box_url"))),
    ),
    (
        machines.existing,
        ("provider", *(f"machines.*.{key}" for key in ("host", "port", "user", "key", "transport"))),
    ),
    (options.options, ("provider_options", "machines.*.name")),
    (machines.windows_versions, ("machines.*.os", "machines.*.windows_version")),
)
# These also ask which keys were given at all.
CHECKS_OF_GIVEN: tuple[tuple[CheckOfGiven, tuple[str, ...]], ...] = (
    (versions.which_kubernetes, ("kubernetes",)),
    (networks.apart, ("network",)),
)


def judge(
    settings: Settings,
    *,
    given: Mapping[Path, Origin],
    broken: frozenset[Path] = frozenset(),
    limited: bool = True,
) -> Verdict:
    """Every contradiction of completed settings.

    Args:
        given: the places of the values that were given; machines by number (``machines``, ``1``, ``memory``).
        broken: paths whose values were unusable and stand at their defaults in ``settings``.
        limited: this computer's VirtualBox has its own range only (no networks.conf says otherwise).
    """
    verdict = Verdict()
    asked = frozenset(given)

    def usable(reads: tuple[str, ...]) -> bool:
        return not any(_touches(tuple(key.split(".")), path) for key in reads for path in broken)

    findings = [finding for check, reads in CHECKS if usable(reads) for finding in check(settings)]
    findings += [finding for of, reads in CHECKS_OF_GIVEN if usable(reads) for finding in of(settings, asked)]
    if usable(("network.machines", "provider")):
        findings += networks.permitted(settings, limited)
    for finding in findings:
        if finding.remedy:
            origin = _origin(finding, given)
            verdict.problems.append(Problem(origin, finding.path, finding.what, finding.remedy))
        else:
            verdict.notices.append(finding.what)
    return verdict


def _touches(key: Path, path: Path) -> bool:
    if len(path) > 2 and path[0] == "machines" and path[2] not in Machine.model_fields:
        path = path[:2]  # a misspelt key: nobody knows which of the machine's was meant
    return all(mine in ("*", theirs) for mine, theirs in zip(key, path, strict=False))


def _origin(finding: Finding, given: Mapping[Path, Origin]) -> Origin:
    """Where the user wrote it: the key itself, else one that it contradicts, else what is around it."""
    for path in (finding.path, *finding.also):
        if path in given:
            return given[path]
    for length in range(len(finding.path) - 1, 0, -1):
        if finding.path[:length] in given:
            return given[finding.path[:length]]
    return Origin()
