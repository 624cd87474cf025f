"""The flat variables.yaml (and settings.yaml) of sig-windows-dev-tools, read into today's form.

Every key that its 45 historical files used has an entry in `KEYS`: it is mapped, or named as obsolete
with what replaces it.  Source of the keys: the history of kubernetes-sigs/sig-windows-dev-tools,
files variables.yaml, sync/variables.yaml, sync/shared/variables*.yaml and settings.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path as FilePath
from typing import Any

import yaml

from provision.settings.document import Document, compose, suggest
from provision.settings.problems import Origin, Path, Problem, dotted
from provision.settings.shape import root

PLANE, WINDOWS = 0, 1
_NAMES = ("cp1", "winw1")
_SHA = re.compile(r"[0-9a-f]{40}")
_OWN_FOLDER = "./sync/"


@dataclass
class Flat:
    """The old file: its keys, and where each stands."""

    values: dict[str, str]
    origins: dict[str, Origin]
    base: FilePath

    def says(self, *keys: str) -> bool:
        """Whether one of these is switched on; booleans came as texts, too."""
        return any(self.values.get(key, "").lower() in ("true", "yes", "on", "1") for key in keys)


@dataclass
class Translated:
    """Today's form of an old file, and the one notice about it."""

    document: Document
    notice: str = ""
    taken: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def put(self, flat: Flat, key: str, path: Path, value: Any) -> None:
        """Set a key of today's form from an old one."""
        here: Any = self.document.values
        for part in path[:-1]:
            here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
        here[path[-1]] = value
        self.document.origins[path] = flat.origins[key]
        self.taken.append(f"{key} -> {_shown(path)}: {value}")

    def drop(self, key: str, why: str) -> None:
        """Name an old key that has no effect any more."""
        self.dropped.append(f"{key}: {why}")


def _shown(path: Path) -> str:
    if path[0] == "machines":
        return dotted(("machines", _NAMES[int(path[1])], *path[2:]))
    return dotted(path)


Rule = Callable[[Translated, Flat, str, str], None]


def _to(*path: str) -> Rule:
    def rule(made: Translated, flat: Flat, key: str, value: str) -> None:
        made.put(flat, key, path, value)

    return rule


def _both(first: Path, second: Path) -> Rule:
    def rule(made: Translated, flat: Flat, key: str, value: str) -> None:
        made.put(flat, key, first, value)
        made.put(flat, key, second, value)

    return rule


def _gone(why: str) -> Rule:
    def rule(made: Translated, _flat: Flat, key: str, _value: str) -> None:
        made.drop(key, why)

    return rule


# The keys that named the release, the strongest first; a file often has several that agree.
_RELEASE = (
    "kubernetes_version",
    "kubernetes_version_linux",
    "k8s_linux_kubelet_deb",
    "kubernetes_version_windows",
    "kubernetes_compatibility",
    "kubernetes_version_build",
)


def _release(made: Translated, flat: Flat, key: str, value: str) -> None:
    named = [k for k in _RELEASE if flat.values.get(k) and not _SHA.fullmatch(flat.values[k])]
    if _SHA.fullmatch(value):
        _sha(made, flat, key, value)
    elif key == named[0]:
        made.put(flat, key, ("kubernetes", "version"), value.removeprefix("v"))
    else:
        made.drop(key, f"{named[0]} names the release; all machines run kubernetes.version")


def _built(flat: Flat) -> str:
    """The key whose commit was built; empty when the file built none."""
    switched_on = flat.says("build_from_source", "kubernetes_build_from_source", "overwrite_windows_bins")
    version = flat.values.get("kubernetes_version", "")
    if not switched_on or (version and not _SHA.fullmatch(version)):
        return ""  # where kubernetes_version named a release, that was what was built
    if flat.values.get("kubernetes_sha"):
        return "kubernetes_sha"
    return next((key for key in _RELEASE if _SHA.fullmatch(flat.values.get(key, ""))), "")


def _sha(made: Translated, flat: Flat, key: str, value: str) -> None:
    built = _built(flat)
    if key == built:
        made.put(flat, key, ("kubernetes", "sha"), value)
    elif built:
        made.drop(key, f"{built} names the commit")
    else:
        made.drop(key, "nothing was built from it in this file; write kubernetes.sha to build a commit")


def _from_source(made: Translated, flat: Flat, key: str, _value: str) -> None:
    if flat.says(key) and _built(flat):
        made.drop(key, "what kubernetes.sha names is built anyway")
    else:
        made.put(flat, key, ("kubernetes", "from_source"), "true" if flat.says(key) else "false")


def _binary(name: str) -> Rule:
    def rule(made: Translated, flat: Flat, key: str, value: str) -> None:
        overwritten = flat.says("overwrite_windows_bins")
        # Before there was a switch, a path outside of the old repository was somebody's own build.
        own = "overwrite_windows_bins" not in flat.values and not value.startswith(_OWN_FOLDER)
        if overwritten or own:
            made.put(flat, key, ("kubernetes", "binaries", name), str(flat.base / FilePath(value).expanduser()))
        else:
            made.drop(
                key, f"it was the old build folder; write kubernetes.binaries: {{{name}: PATH}} for your own build"
            )

    return rule


def _address(index: int) -> Rule:
    def rule(made: Translated, flat: Flat, key: str, value: str) -> None:
        made.put(flat, key, ("machines", str(index), "address"), value)
        try:
            network = str(IPv4Network((int(IPv4Address(value)), 24), strict=False))
        except ValueError:
            return
        if "machines" not in made.document.values.get("network", {}):
            made.put(flat, key, ("network", "machines"), network)

    return rule


def _box(index: int) -> Rule:
    def rule(made: Translated, flat: Flat, key: str, value: str) -> None:
        made.put(flat, key, ("machines", str(index), "box"), value)
        year = re.search(r"windows.*(2019|2022|2025)", value)
        if index == WINDOWS and year:
            made.put(flat, key, ("machines", str(index), "windows_version"), year[1])

    return rule


def _apiserver(made: Translated, flat: Flat, key: str, value: str) -> None:
    if value.startswith("ci/latest"):
        made.put(flat, key, ("kubernetes", "control_plane"), "ci")
    else:
        made.drop(key, "the control plane runs kubernetes.version; for a CI build write kubernetes.control_plane: ci")


KEYS: dict[str, Rule] = {
    "kubernetes_version": _release,
    "kubernetes_version_linux": _release,
    "kubernetes_version_windows": _release,
    "kubernetes_version_build": _release,
    "kubernetes_compatibility": _release,
    "k8s_linux_kubelet_deb": _release,
    "kubernetes_sha": _sha,
    "build_from_source": _from_source,
    "kubernetes_build_from_source": _from_source,
    "kubelet_path": _binary("kubelet.exe"),
    "kubeproxy_path": _binary("kube-proxy.exe"),
    "overwrite_windows_bins": _gone("name your own builds in kubernetes.binaries, or build with kubernetes.sha"),
    "overwrite_linux_bins": _gone("name your own builds in kubernetes.binaries, or build with kubernetes.sha"),
    "overwrite_linux": _gone("name your own builds in kubernetes.binaries, or build with kubernetes.sha"),
    "k8s_linux_registry": _gone("images follow kubernetes.control_plane; another registry goes to network.registries"),
    "k8s_linux_apiserver": _apiserver,
    "k8s_linux_kubelet_nodeip": _address(PLANE),
    "linux_node_ip": _address(PLANE),
    "windows_node_ip": _address(WINDOWS),
    "pod_cidr": _to("network", "pods"),
    "containerd_version": _both(("containerd", "linux"), ("containerd", "windows")),
    "calico_version": _to("calico", "version"),
    "cni": _to("cni"),
    "linux_ram": _to("machines", str(PLANE), "memory"),
    "linux_cpus": _to("machines", str(PLANE), "cpus"),
    "windows_ram": _to("machines", str(WINDOWS), "memory"),
    "windows_cpus": _to("machines", str(WINDOWS), "cpus"),
    "vagrant_linux_ram": _to("machines", str(PLANE), "memory"),
    "vagrant_linux_cpus": _to("machines", str(PLANE), "cpus"),
    "vagrant_linux_box": _box(PLANE),
    "vagrant_linux_box_version": _to("machines", str(PLANE), "box_version"),
    "vagrant_windows_ram": _to("machines", str(WINDOWS), "memory"),
    "vagrant_windows_cpus": _to("machines", str(WINDOWS), "cpus"),
    "vagrant_windows_box": _box(WINDOWS),
    "vagrant_windows_box_version": _to("machines", str(WINDOWS), "box_version"),
    "vagrant_windows_max_provision_attempts": _gone("every wait has a deadline: timeouts.boot and timeouts.step"),
    "vagrant_vbguest_auto_update": _gone("nothing here uses VirtualBox's guest additions"),
    "vb_paravirt": _gone("write provider_options.virtualbox, which goes into the Vagrantfile as it is"),
    "proxy": _gone("kube-proxy follows the CNI; an HTTP proxy is network.proxy"),
}

# For remedies where an old key stands in a file of today's form.
SPELLINGS: dict[str, str] = {
    "kubernetes_version": "kubernetes.version",
    "kubernetes_sha": "kubernetes.sha",
    "kubernetes_compatibility": "kubernetes.compatibility",
    "build_from_source": "kubernetes.from_source",
    "kubernetes_build_from_source": "kubernetes.from_source",
    "kubelet_path": "kubernetes.binaries: {kubelet.exe: PATH}",
    "kubeproxy_path": "kubernetes.binaries: {kube-proxy.exe: PATH}",
    "overwrite_windows_bins": "kubernetes.binaries",
    "overwrite_linux_bins": "kubernetes.binaries",
    "pod_cidr": "network.pods",
    "containerd_version": "containerd.linux and containerd.windows",
    "calico_version": "calico.version",
    "linux_ram": "machines, memory",
    "linux_cpus": "machines, cpus",
    "windows_ram": "machines, memory",
    "windows_cpus": "machines, cpus",
    "windows_node_ip": "machines, address",
    "linux_node_ip": "machines, address",
    "k8s_linux_kubelet_nodeip": "machines, address",
    "vagrant_linux_box": "machines, box",
    "vagrant_windows_box": "machines, box",
}


def translate(text: str, name: str, *, base: FilePath = FilePath()) -> Translated | None:
    """Today's form of an old file; None when the text is no such file (or is not YAML at all).

    A file is of the old form when it has a key that only the old form has, and none that only today's has.

    Args:
        name: the file's name as it stands in problems.
        base: the folder that relative paths in the file start from.
    """
    document = Document()
    node = compose(text, name, document)
    if not isinstance(node, yaml.MappingNode):
        return None
    pairs = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    names = {key.value for key, _ in pairs}
    today = set(root().names())
    if not names & (KEYS.keys() - today) or names & (today - KEYS.keys()):
        return None
    made = Translated(document)
    document.origins[()] = Origin("file", name, 1, 1)
    flat = _flat(pairs, name, document, base)
    document.values["machines"] = [
        {"name": _NAMES[PLANE], "os": "linux", "role": "control-plane"},
        {"name": _NAMES[WINDOWS], "os": "windows", "memory": "6144"},
    ]
    for key, value in flat.values.items():
        rule = KEYS.get(key)
        if rule is None:
            near = suggest(key, tuple(KEYS))
            remedy = f"did you mean {near}? Or write today's form" if near else "delete it, or write today's form"
            document.problems.append(Problem(flat.origins[key], (key,), "there is no such key", remedy))
        elif value == "":
            made.drop(key, "it was empty")
        else:
            rule(made, flat, key, value)
    made.notice = _notice(made, name)
    return made


def _flat(pairs: list[tuple[yaml.ScalarNode, yaml.Node]], name: str, document: Document, base: FilePath) -> Flat:
    flat = Flat({}, {}, base)
    for key, value in pairs:
        mark = key.start_mark
        origin = Origin("file", name, mark.line + 1, mark.column + 1, key.value)
        if not isinstance(value, yaml.ScalarNode):
            document.problems.append(Problem(origin, (key.value,), "one value is wanted here", "write one value"))
        elif key.value in flat.values:
            line = flat.origins[key.value].line
            again = f"{key.value} is there twice, first in line {line}"
            document.problems.append(Problem(origin, (key.value,), again, "keep one of the two"))
        else:
            flat.values[key.value] = value.value.strip()
            flat.origins[key.value] = origin
    return flat


def _notice(made: Translated, name: str) -> str:
    lines = [
        f"{name} has the form of sig-windows-dev-tools; it was read as today's. "
        "`invoke settings --write` writes it that way."
    ]
    lines += [f"  {line}" for line in made.taken]
    if made.dropped:
        lines.append("  without effect now:")
        lines += [f"    {line}" for line in made.dropped]
    return "\n".join(lines)
