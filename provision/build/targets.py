"""What can be built, as data.

Memory is the peak of one cold build of Kubernetes 1.36.2 with Go 1.26.4 (``-trimpath``, ``-s -w``) where it was
measured: kubelet.exe 1.5 GB, kube-apiserver 2.1 GB; the others are taken from programs of the same size.  Build tags:
Kubernetes' ``hack/lib/golang.sh`` (``grpcnotrace`` only without ``--debug``), containerd's ``Makefile``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from provision.artifacts.base import Os
from provision.build.base import Project
from provision.errors import ArtifactError


@dataclass(frozen=True, kw_only=True)
class Target:
    """One program that can be built.

    Attributes:
        name: the artifact's name, such as ``kubelet.exe``.
        package: Go's path of its main package, or of the tests.
        memory_mib: what compiling and linking it takes at its peak.
        tags: build tags of its project's own build.
        test: it is made by ``go test -c``.
        stamped: the version is found in it; some programs do not use the stamped package.
    """

    name: str
    project: Project
    os: Os
    package: str
    memory_mib: int
    tags: tuple[str, ...] = ()
    arch: str = "amd64"
    test: bool = False
    stamped: bool = True


def _kubernetes(
    name: str, os: Os, memory_mib: int, package: str = "", *, test: bool = False, stamped: bool = True
) -> Target:
    return Target(
        name=name,
        project="kubernetes",
        os=os,
        package=package or f"./cmd/{name.removesuffix('.exe')}",
        memory_mib=memory_mib,
        tags=("selinux", "notest", "grpcnotrace"),
        test=test,
        stamped=stamped,
    )


def _containerd(name: str, os: Os, memory_mib: int, *tags: str) -> Target:
    return Target(
        name=name,
        project="containerd",
        os=os,
        package=f"./cmd/{name.removesuffix('.exe')}",
        memory_mib=memory_mib,
        tags=("urfave_cli_no_docs", *tags),
    )


_RUNNER = "k8s.io/component-base/logs/kube-log-runner"

TARGETS: tuple[Target, ...] = (
    _kubernetes("kubelet.exe", "windows", 1536),
    _kubernetes("kube-proxy.exe", "windows", 1280),
    _kubernetes("kubeadm.exe", "windows", 1280),
    _kubernetes("kubectl.exe", "windows", 1280),
    _kubernetes("kube-log-runner.exe", "windows", 256, _RUNNER, stamped=False),
    _kubernetes("kubeadm", "linux", 1280),
    _kubernetes("kubelet", "linux", 1536),
    _kubernetes("kubectl", "linux", 1280),
    _kubernetes("kube-proxy", "linux", 1280),
    _kubernetes("kube-apiserver", "linux", 2176),
    _kubernetes("kube-controller-manager", "linux", 2048),
    _kubernetes("kube-scheduler", "linux", 1536),
    _kubernetes("e2e.test", "linux", 2560, "./test/e2e", test=True),
    _kubernetes("ginkgo", "linux", 256, "github.com/onsi/ginkgo/v2/ginkgo", stamped=False),
    _containerd("containerd.exe", "windows", 1024),
    _containerd("ctr.exe", "windows", 768),
    _containerd("containerd", "linux", 1024),
    _containerd("ctr", "linux", 768),
    _containerd("containerd-shim-runc-v2", "linux", 512, "no_grpc"),
    Target(
        name="containerd-shim-runhcs-v1.exe",
        project="hcsshim",
        os="windows",
        package="./cmd/containerd-shim-runhcs-v1",
        memory_mib=768,
    ),
)

BY_NAME = {target.name: target for target in TARGETS}

# What `invoke build` makes when nothing else is said, of each project.
DEFAULTS: dict[Project, tuple[str, ...]] = {
    "kubernetes": ("kubelet.exe", "kube-proxy.exe"),
    "containerd": ("containerd.exe", "ctr.exe"),
    "hcsshim": ("containerd-shim-runhcs-v1.exe",),
}
_TESTS = ("e2e.test", "ginkgo")
_KUBERNETES = tuple(target for target in TARGETS if target.project == "kubernetes")
GROUPS: dict[str, tuple[str, ...]] = {
    "windows": tuple(target.name for target in _KUBERNETES if target.os == "windows"),
    "linux": tuple(target.name for target in _KUBERNETES if target.os == "linux" and target.name not in _TESTS),
    "tests": _TESTS,
    "all": tuple(target.name for target in _KUBERNETES),
}


def chosen(words: Sequence[str], arch: str = "amd64") -> tuple[Target, ...]:
    """The targets that words name: a program's name, or a group (`GROUPS`); in the order of `TARGETS`.

    Raises:
        ArtifactError: nothing is called so; the error says what is.
    """
    names: set[str] = set()
    for word in words:
        found = GROUPS.get(word, (word,) if word in BY_NAME else None)
        if found is None:
            from rapidfuzz import process  # takes its time, and most names are right

            guess = process.extractOne(word, [*BY_NAME, *GROUPS], score_cutoff=60)
            raise ArtifactError(
                f"there is no component {word} to build",
                details=f"programs: {', '.join(BY_NAME)}\ngroups: {', '.join(GROUPS)}",
                remedy=f"did you mean {guess[0]}?" if guess else "take one of these",
            )
        names.update(found)
    return tuple(replace(target, arch=arch) for target in TARGETS if target.name in names)
