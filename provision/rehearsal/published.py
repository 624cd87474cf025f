"""What publishers publish, as stand-ins: URL -> bytes, for the URLs that exist and no others.

Layouts and names are those of the real release pages; the bytes are the same on every computer, so that
digests are stable.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Mapping
from functools import lru_cache

from provision import knowledge
from provision.rehearsal.manifests import CALICO_FILES, calico_manifest
from provision.rehearsal.standin import standin

_V = r"(?P<version>\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)"
# A build of a merge: how many commits after which tag, and of which.
_CI = r"(?P<version>1\.\d+\.\d+-(?:alpha|beta|rc)\.\d+\.\d+\+[0-9a-f]+)"
_OS = r"(?P<os>linux|windows)"
_GITHUB = r"github\.com/"

# Programs in dl.k8s.io/release/<version>/bin/<os>/amd64 that we know to be there.
_NODE = ("kubelet", "kubeadm", "kubectl", "kube-proxy", "kube-log-runner")
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
KUBERNETES = {"linux": frozenset(_NODE + _CONTROL_PLANE), "windows": frozenset(_NODE)}
TESTS = ("e2e.test", "ginkgo")
CONTAINERD = {
    "linux": ("containerd", "containerd-shim-runc-v2", "containerd-stress", "ctr"),
    "windows": ("containerd", "containerd-shim-runhcs-v1", "containerd-stress", "ctr"),
}
_LINUX_PLUGINS = (
    "bandwidth", "bridge", "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan", "loopback", "macvlan",
    "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf",
)  # fmt: skip
CNI_PLUGINS = {"linux": _LINUX_PLUGINS, "windows": ("win-bridge", "win-overlay", "host-local")}
RUNC_ARCHES = ("amd64", "arm64", "armel", "armhf", "ppc64le", "riscv64", "s390x")


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz with these members, executable, the same bytes each time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in sorted({name.rpartition("/")[0] for name in files} - {""}):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o755
            tar.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), compresslevel=1, mtime=0)


def _exe(program: str, os: str) -> str:
    return f"{program}.exe" if os == "windows" else program


def _kubernetes(version: str, os: str, file: str) -> bytes | None:
    program = file.removesuffix(".exe")
    minor = int(version.split(".")[1])
    if not version.startswith("1.") or not 20 <= minor <= 40 or file != _exe(program, os):
        return None
    return standin(program, f"v{version}", os) if program in KUBERNETES[os] else None


def _tests(version: str, os: str) -> bytes:
    """The archive with the conformance tests of a platform."""
    return archive({f"kubernetes/test/bin/{_exe(p, os)}": standin(p, f"v{version}", os) for p in TESTS})


def _stable(minor: str) -> bytes | None:
    row = knowledge.RELEASES.get(minor)
    return f"v{row.latest}".encode() if row else None


def _ci_latest(minor: str = "") -> bytes | None:
    """The newest build of a merge: on the main branch, of the minor that comes next; else of the next patch."""
    newest = knowledge.parse(knowledge.NEWEST)
    coming = f"{newest.major}.{newest.minor + 1}"
    if minor in ("", coming):
        return f"v{coming}.0-alpha.1.23+0123456789abcd".encode()
    row = knowledge.RELEASES.get(minor)
    if row is None:
        return None
    latest = knowledge.parse(row.latest)
    return f"v{minor}.{(latest.patch or 0) + 1}-rc.0.12+fedcba9876543".encode()


def _containerd(version: str, os: str) -> bytes | None:
    if int(version.split(".")[0]) not in (1, 2):
        return None
    return archive({f"bin/{_exe(p, os)}": standin(p, f"v{version}", os) for p in CONTAINERD[os]})


def _crictl(version: str, os: str) -> bytes:
    return archive({_exe("crictl", os): standin("crictl", f"v{version}", os)})


def _plugins(version: str, os: str) -> bytes:
    return archive({f"./{_exe(p, os)}": standin(p, f"v{version}", os) for p in CNI_PLUGINS[os]})


def _runc(version: str, arch: str) -> bytes | None:
    return standin("runc", version, "linux", arch) if arch in RUNC_ARCHES and version.startswith("1.") else None


def _calico(version: str, file: str) -> bytes | None:
    return calico_manifest(version, file).encode() if file in CALICO_FILES else None


def _sum(data: bytes | None, name: str = "") -> bytes | None:
    if data is None:
        return None
    digest = hashlib.sha256(data).hexdigest()
    return (f"{digest}  {name}\n" if name else digest).encode()


def _runc_sums(version: str) -> bytes | None:
    lines = [_sum(_runc(version, arch), f"runc.{arch}") for arch in RUNC_ARCHES]
    return b"".join(line for line in lines if line) or None


def _exporter(version: str) -> bytes:
    return standin("windows_exporter", version, "windows")


Rule = tuple[re.Pattern[str], Callable[..., bytes | None]]


def _of_kubernetes(place: str) -> tuple[Rule, ...]:
    """The files of a release or of a CI build, which have the same layout."""
    return (
        (re.compile(rf"dl\.k8s\.io/{place}/bin/{_OS}/amd64/(?P<file>[a-z.-]+?)"), _kubernetes),
        (
            re.compile(rf"dl\.k8s\.io/{place}/bin/{_OS}/amd64/(?P<file>[a-z.-]+)\.sha256"),
            lambda version, os, file: _sum(_kubernetes(version, os, file)),
        ),
        (re.compile(rf"dl\.k8s\.io/{place}/kubernetes-test-{_OS}-amd64\.tar\.gz"), _tests),
        (
            re.compile(rf"dl\.k8s\.io/{place}/kubernetes-test-{_OS}-amd64\.tar\.gz\.sha256"),
            lambda version, os: _sum(_tests(version, os)),
        ),
    )


_RULES: tuple[Rule, ...] = (
    *_of_kubernetes(rf"release/v{_V}"),
    *_of_kubernetes(rf"ci/v{_CI}"),
    (re.compile(r"dl\.k8s\.io/release/stable-(?P<minor>\d+\.\d+)\.txt"), _stable),
    (re.compile(r"dl\.k8s\.io/ci/latest(?:-(?P<minor>\d+\.\d+))?\.txt"), lambda minor: _ci_latest(minor or "")),
    (
        re.compile(
            rf"{_GITHUB}prometheus-community/windows_exporter/releases/download/v{_V}/windows_exporter-(?P=version)-amd64\.exe"
        ),
        _exporter,
    ),
    (
        re.compile(rf"{_GITHUB}prometheus-community/windows_exporter/releases/download/v{_V}/sha256sums\.txt"),
        lambda version: _sum(_exporter(version), f"windows_exporter-{version}-amd64.exe"),
    ),
    (
        re.compile(
            rf"{_GITHUB}containerd/containerd/releases/download/v{_V}/containerd-(?P=version)-{_OS}-amd64\.tar\.gz"
        ),
        _containerd,
    ),
    (
        re.compile(
            rf"{_GITHUB}containerd/containerd/releases/download/v{_V}/containerd-(?P=version)-{_OS}-amd64\.tar\.gz\.sha256sum"
        ),
        lambda version, os: _sum(_containerd(version, os), f"containerd-{version}-{os}-amd64.tar.gz"),
    ),
    (re.compile(rf"{_GITHUB}opencontainers/runc/releases/download/v{_V}/runc\.(?P<arch>(?!sha256sum)\w+)"), _runc),
    (re.compile(rf"{_GITHUB}opencontainers/runc/releases/download/v{_V}/runc\.sha256sum"), _runc_sums),
    (
        re.compile(
            rf"{_GITHUB}kubernetes-sigs/cri-tools/releases/download/v{_V}/crictl-v(?P=version)-{_OS}-amd64\.tar\.gz"
        ),
        _crictl,
    ),
    (
        re.compile(
            rf"{_GITHUB}kubernetes-sigs/cri-tools/releases/download/v{_V}/crictl-v(?P=version)-{_OS}-amd64\.tar\.gz\.sha256"
        ),
        lambda version, os: _sum(_crictl(version, os)),
    ),
    (
        re.compile(
            rf"{_GITHUB}containernetworking/plugins/releases/download/v{_V}/cni-plugins-{_OS}-amd64-v(?P=version)\.tgz"
        ),
        _plugins,
    ),
    (
        re.compile(
            rf"{_GITHUB}containernetworking/plugins/releases/download/v{_V}/cni-plugins-{_OS}-amd64-v(?P=version)\.tgz\.sha256"
        ),
        lambda version, os: _sum(_plugins(version, os), f"cni-plugins-{os}-amd64-v{version}.tgz"),
    ),
    (
        re.compile(rf"raw\.githubusercontent\.com/projectcalico/calico/v{_V}/manifests/(?P<file>[\w.-]+\.yaml)"),
        _calico,
    ),
)


@lru_cache(maxsize=64)
def published(address: str) -> bytes | None:
    """The file at ``https://<address>``; None when its publisher has no such file."""
    for pattern, make in _RULES:
        match = pattern.fullmatch(address)
        if match:
            found = make(**match.groupdict())
            if found is not None:
                return found
    return None
