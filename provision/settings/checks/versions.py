"""Versions that do not go together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision import knowledge
from provision.settings.checks import Finding
from provision.settings.document import suggest
from provision.settings.model import Kubernetes, Settings
from provision.settings.problems import Path

_VERSION: Path = ("kubernetes", "version")
_FROM = ("sha", "ref", "path")
_SOURCES: tuple[Path, ...] = tuple(("kubernetes", key) for key in _FROM)
# Tags and release branches name their release; other branches do not.
_REF = re.compile(r"(?:release-|v|tags/v)(\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?)")

BINARIES = (
    "kubelet",
    "kubeadm",
    "kubectl",
    "kubelet.exe",
    "kubeadm.exe",
    "kubectl.exe",
    "kube-proxy.exe",
    "kube-log-runner.exe",
)
# Source: kubernetes.io, "Customizing components with the kubeadm API", patches.
PATCHED = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeletconfiguration",
    "corednsdeployment",
)
_PATCH = re.compile(rf"(?P<target>{'|'.join(PATCHED)})[\w.-]*?(?:\+(?:strategic|merge|json))?\.(?:json|yaml)")
COMPONENTS = ("apiserver", "controller-manager", "scheduler", "etcd", "kubelet", "kube-proxy")


def which_kubernetes(settings: Settings, given: frozenset[Path]) -> Iterator[Finding]:
    """At most one of version, sha, ref and path says what the nodes run."""
    kubernetes = settings.kubernetes
    named = [key for key in _FROM if getattr(kubernetes, key) is not None]
    also = tuple(("kubernetes", key) for key in named)
    if len(named) > 1:
        yield Finding(
            also[-1], f"{' and '.join(named)} name Kubernetes at the same time", f"keep one of {', '.join(named)}", also
        )
    elif (
        named and kubernetes.control_plane not in ("release", "ci") and _VERSION in given and not _is_default(settings)
    ):
        yield Finding(
            also[0],
            f"{named[0]} and version name Kubernetes at the same time",
            "keep one of the two, or write control_plane: release to take version for the control plane",
            (_VERSION,),
        )
    if kubernetes.compatibility and not named and not kubernetes.binaries:
        yield Finding(
            ("kubernetes", "compatibility"),
            "compatibility without a build of your own says nothing",
            "delete it, or name the build by sha, ref, path or binaries",
        )
    if kubernetes.from_source and (named or kubernetes.version.startswith("ci/")):
        yield Finding(
            ("kubernetes", "from_source"),
            f"from_source builds a release, and {named[0] if named else 'a CI build'} is none",
            "delete from_source: what sha, ref and path name is built anyway",
            also,
        )
    if kubernetes.version.startswith("ci/") and kubernetes.control_plane in ("release", "source"):
        yield Finding(
            ("kubernetes", "control_plane"),
            f"version {kubernetes.version} is a CI build, control_plane says {kubernetes.control_plane}",
            "delete control_plane, or name the version of a release",
            (_VERSION,),
        )


def _is_default(settings: Settings) -> bool:
    # variables.yaml says version: "1.36" from the start; only another one contradicts a sha.  Once the words
    # have been resolved, the version is what they mean.
    return settings.chosen is not None or settings.kubernetes.version == knowledge.kubernetes_patch(
        Kubernetes().version
    )


def which_hcsshim(settings: Settings) -> Iterator[Finding]:
    """At most one of sha, ref and path names the shim."""
    named = [key for key in _FROM if getattr(settings.hcsshim, key) is not None]
    if len(named) > 1:
        yield Finding(
            ("hcsshim", named[-1]),
            f"{' and '.join(named)} name hcsshim at the same time",
            f"keep one of {', '.join(named)}",
        )


def planned(settings: Settings) -> str | None:
    """The control plane's version (or only its minor), as far as is known: before its words have been resolved, and
    without a hint, a build of one's own and the newest CI build say nothing."""
    if settings.chosen is not None:
        return settings.chosen.version
    kubernetes = settings.kubernetes
    if _named(kubernetes) and kubernetes.control_plane != "release":
        return nodes_release(kubernetes)
    if kubernetes.version.startswith("ci/"):
        word = kubernetes.version.removeprefix("ci/")
        return word.removeprefix("latest-") if word != "latest" else None
    return kubernetes.version


def in_development(settings: Settings) -> bool:
    """Whether this is no release: then no project's table of supported versions speaks of it."""
    kubernetes, version = settings.kubernetes, planned(settings)
    ci = kubernetes.version.startswith("ci/") or kubernetes.control_plane == "ci"
    return _named(kubernetes) or ci or (version is not None and bool(knowledge.parse(version).pre))


def _named(kubernetes: Kubernetes) -> bool:
    return any(getattr(kubernetes, key) is not None for key in _FROM)


def known_release(settings: Settings) -> Iterator[Finding]:
    """The release is one that we know, or so new that the newest that we know stands for it."""
    version = planned(settings)
    if version is None:
        return
    try:
        _known(settings, version)
    except knowledge.NotKnown as unknown:
        nearest = _supported(settings, unknown.nearest)
        yield Finding(_VERSION, unknown.what, f'write version: "{nearest}", the nearest that is supported', _SOURCES)
        return
    if knowledge.newer_than_known(version):
        yield Finding(
            _VERSION,
            f"Kubernetes {version} is newer than all that is known here: it is set up as {knowledge.NEWEST} is",
        )


def _known(settings: Settings, version: str) -> None:
    """Refuse (`NotKnown`) what is too old, and a minor so new that nobody here knows its patches."""
    knowledge.kubernetes(version)
    if not in_development(settings):
        knowledge.kubernetes_patch(version)


def _supported(settings: Settings, nearest: str) -> str:
    """The minor nearest to one that the CNI supports, too; that one itself where the CNI's version is unknown."""
    project = settings.cni
    try:
        row = knowledge.cni(project, getattr(settings, project).version)
    except knowledge.NotKnown:
        return nearest
    wanted = knowledge.parse(nearest).minor
    minors = [minor for minor in row.kubernetes if minor in knowledge.RELEASES] or [nearest]
    return min(minors, key=lambda minor: abs(knowledge.parse(minor).minor - wanted))


def nodes_release(kubernetes: Kubernetes) -> str | None:
    """The release that the nodes' own build behaves like; None when nobody says."""
    if kubernetes.compatibility:
        return kubernetes.compatibility
    match = _REF.fullmatch(kubernetes.ref or "")
    return match[1] if match else None


def skew(settings: Settings) -> Iterator[Finding]:
    """A kubelet is never newer than the API server, nor more than three minors older."""
    kubernetes, chosen = settings.kubernetes, settings.chosen
    if chosen is not None:
        nodes, control_plane = chosen.nodes, chosen.version
        key = next((key for key in _FROM if getattr(kubernetes, key) is not None), "binaries")
    else:
        # A source build without control_plane: release brings its own control plane: no skew to judge yet.
        own = kubernetes.binaries or (_named(kubernetes) and kubernetes.control_plane == "release")
        named = nodes_release(kubernetes)
        if named is None or not own or kubernetes.version.startswith("ci/"):
            return
        nodes, control_plane = named, kubernetes.version
        key = "compatibility" if kubernetes.compatibility else "ref"
    node, plane = knowledge.parse(nodes), knowledge.parse(control_plane)
    oldest = f"{plane.major}.{max(0, plane.minor - knowledge.SKEW)}"
    also = (("kubernetes", "control_plane"), _VERSION)
    if (node.major, node.minor) > (plane.major, plane.minor):
        if chosen is not None and kubernetes.control_plane in ("release", "ci"):
            what = f"control_plane: {kubernetes.control_plane} is {control_plane}"
            remedy = "write control_plane: auto (or source), or build a kubelet of"
        else:
            better = node.line if knowledge.released(nodes) else f"ci/latest-{node.line}"
            what, remedy = control_plane, f"raise kubernetes.version to {better}, or build a kubelet of"
        yield Finding(
            ("kubernetes", key),
            f"the nodes' kubelet ({nodes}) is newer than the control plane ({what})",
            f"{remedy} {oldest} to {plane.line}",
            also,
        )
    elif node.major == plane.major and plane.minor - node.minor > knowledge.SKEW:
        yield Finding(
            ("kubernetes", key),
            f"the nodes' kubelet ({nodes}) is more than {knowledge.SKEW} minors older than the control plane"
            f" ({control_plane})",
            f"build a kubelet of {oldest} to {plane.line}, or lower kubernetes.version to "
            f"{node.major}.{node.minor + knowledge.SKEW}",
            also,
        )


def binaries(settings: Settings) -> Iterator[Finding]:
    """Binaries of one's own replace files that there are."""
    for name in settings.kubernetes.binaries:
        if name not in BINARIES:
            near = suggest(name, BINARIES)
            yield Finding(
                ("kubernetes", "binaries", name),
                "no machine runs a file of this name",
                (f"did you mean {near}? " if near else "") + f"known: {', '.join(BINARIES)}",
            )


def patches(settings: Settings) -> Iterator[Finding]:
    """kubeadm reads what a patch is for from the name of its file."""
    for name, content in settings.kubernetes.kubeadm_patches.items():
        path = ("kubernetes", "kubeadm_patches", name)
        match = _PATCH.fullmatch(name)
        if match is None:
            yield Finding(
                path,
                "kubeadm would not know what this patch is for",
                f"name it TARGET, an optional suffix, an optional +strategic, +merge or +json, and .yaml or .json, such"
                f" as kube-apiserver0+merge.yaml; targets: {', '.join(PATCHED)}",
            )
        elif not isinstance(content, (str, dict, list)) or not content:
            yield Finding(path, "the patch is empty", "write its content as text, or as YAML below its name")
        elif match["target"] == "kubeletconfiguration" and settings.windows:
            yield Finding(
                path, f"kubernetes.kubeadm_patches: {name} reaches Linux machines; kubelet_config reaches all"
            )


def components(settings: Settings) -> Iterator[Finding]:
    """Arguments go to components that there are, without dashes; removed kubelet flags are refused."""
    version = planned(settings)
    removed = knowledge.removed_kubelet_flags(version) if version else ()
    for component, flags in settings.kubernetes.extra_args.items():
        path = ("kubernetes", "extra_args", component)
        if component not in COMPONENTS:
            near = suggest(component, COMPONENTS)
            known = f"known: {', '.join(COMPONENTS)}"
            yield Finding(path, "no such component", f"did you mean {near}? {known}" if near else known)
        for flag in flags:
            if flag.startswith("-"):
                yield Finding((*path, flag), "the flag has dashes", f"write {flag.lstrip('-')}")
            elif component == "kubelet" and f"--{flag}" in removed:
                yield Finding(
                    (*path, flag),
                    f"kubelet {version} does not start with this flag: it was removed",
                    "delete it, or write it as kubernetes.kubelet_config where the configuration file has it",
                )


def runtime(settings: Settings) -> Iterator[Finding]:
    """containerd is one that the release supports."""
    minor = _minor(settings)
    if minor is None:
        return
    release = knowledge.kubernetes(minor)
    wanted: dict[str, list[str]] = {settings.containerd.linux: ["linux"]}
    if settings.windows:
        wanted.setdefault(settings.containerd.windows, []).append("windows")
    for version, systems in wanted.items():
        try:
            knowledge.containerd_for(release, version)
        except knowledge.NotKnown as unknown:
            keys = " and ".join(f"containerd.{os}" for os in systems)
            also = (*(("containerd", os) for os in systems), _VERSION)
            yield Finding(("containerd", systems[0]), unknown.what, f"write {keys}: {unknown.nearest}", also)


def network_plugin(settings: Settings) -> Iterator[Finding]:
    """The CNI supports the release; of what is being developed, nobody's table speaks."""
    project = settings.cni
    path = (project, "version")
    version = getattr(settings, project).version
    minor = _minor(settings)
    fitting = knowledge.cni_for(project, minor or knowledge.NEWEST)
    try:
        row = knowledge.cni(project, version)
    except knowledge.NotKnown as unknown:
        yield Finding(path, unknown.what, f"write {project}.version: {fitting.version if fitting else unknown.nearest}")
        return
    if not row.kubernetes or minor is None or minor in row.kubernetes:
        return
    newest = row.kubernetes[-1]
    what = f"{project} {version} supports Kubernetes {row.kubernetes[0]} to {newest}, not {minor}"
    if in_development(settings) and knowledge.parse(minor) > knowledge.parse(newest):
        if settings.chosen is not None:
            yield Finding(path, f"{what}; it is tried")
        return
    yield Finding(
        path,
        what,
        f"write {project}.version: {fitting.version}" if fitting else f'write kubernetes.version: "{newest}"',
        (_VERSION,),
    )


def network_plugin_on_windows(settings: Settings) -> Iterator[Finding]:
    """The CNI supports the Windows versions of the machines."""
    project = settings.cni
    try:
        row = knowledge.cni(project, getattr(settings, project).version)
    except knowledge.NotKnown:
        return
    for index, machine in enumerate(settings.machines):
        if machine.os == "windows" and machine.windows_version not in row.windows:
            yield Finding(
                ("machines", str(index), "windows_version"),
                f"{project} {row.version} does not support Windows Server {machine.windows_version}",
                f'write windows_version: "{row.windows[-1]}"',
                (("cni",),),
            )


def _minor(settings: Settings) -> str | None:
    """The release's minor, None while nobody knows it; the one that `known_release` proposes where that is unknown."""
    version = planned(settings)
    if version is None:
        return None
    try:
        _known(settings, version)
        return knowledge.parse(version).line
    except knowledge.NotKnown as unknown:
        return _supported(settings, unknown.nearest)
