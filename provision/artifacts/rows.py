"""Where publishers keep files: one pattern a kind of file, with its checksum and what of an archive is wanted.

Add a row for a new kind of file; `catalog.needed` says which settings need it.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.artifacts.base import ArtifactSpec, Os


@dataclass(frozen=True)
class Row:
    """A pattern: ``{version}``, ``{os}``, ``{arch}``, ``{file}`` and ``{exe}`` (``.exe`` on Windows) are filled in.

    Attributes:
        checksum: the publisher's checksum file (one bare digest, or ``digest  name`` lines); None where nobody
            publishes one: then the lock pins what came first.
        member: the program in the archive without which it is the wrong archive.
        source: where the pattern stands.
    """

    url: str
    checksum: str | None
    source: str
    member: str | None = None


def _kubernetes(place: str, source: str) -> tuple[Row, Row]:
    """The programs and the tests of a release, or of a CI build: the same layout in another place."""
    at = f"https://dl.k8s.io/{place}/v{{version}}"
    program = at + "/bin/{os}/{arch}/{file}"
    tests = at + "/kubernetes-test-{os}-{arch}.tar.gz"
    return (
        Row(program, program + ".sha256", source),
        Row(tests, tests + ".sha256", source, "kubernetes/test/bin/e2e.test{exe}"),
    )


def _released(project: str, file: str, checksum: str | None, member: str | None = None) -> Row:
    """A file of a GitHub release; ``checksum`` is a file name, or an ending that starts with a dot."""
    at = f"https://github.com/{project}/releases/download/v{{version}}/"
    sums = None if checksum is None else at + (file + checksum if checksum.startswith(".") else checksum)
    return Row(at + file, sums, f"the release pages of {project}", member)


KUBERNETES, TESTS = _kubernetes("release", "kubernetes.io/releases/download")
# A build of each merge; ``ci/fast`` is left out, because it has no programs for Windows.
CI, CI_TESTS = _kubernetes("ci", "kubernetes/kubeadm docs/testing-pre-releases.md")
CONTAINERD = _released(
    "containerd/containerd", "containerd-{version}-{os}-{arch}.tar.gz", ".sha256sum", "bin/containerd{exe}"
)
RUNC = _released("opencontainers/runc", "runc.{arch}", "runc.sha256sum")
CRICTL = _released("kubernetes-sigs/cri-tools", "crictl-v{version}-{os}-{arch}.tar.gz", ".sha256", "crictl{exe}")
CNI_PLUGINS = _released(
    "containernetworking/plugins", "cni-plugins-{os}-{arch}-v{version}.tgz", ".sha256", "host-local{exe}"
)
EXPORTER = _released("prometheus-community/windows_exporter", "windows_exporter-{version}-{arch}.exe", "sha256sums.txt")
# None of the networks publishes checksums of its manifests.
CALICO = Row(
    "https://raw.githubusercontent.com/projectcalico/calico/v{version}/manifests/{file}",
    None,
    "tigera/docs, calico/getting-started/kubernetes/windows-calico",
)
ANTREA = _released("antrea-io/antrea", "{file}", None)
FLANNEL = _released("flannel-io/flannel", "{file}", None)
# flanneld.exe runs as a host process; flannel publishes no manifest for Windows.
FLANNEL_WINDOWS = _released("flannel-io/flannel", "flannel-v{version}-{os}-{arch}.tar.gz", None, "flanneld.exe")


def spec(
    name: str, row: Row, version: str, os: Os | None, *, file: str | None = None, arch: str = "amd64"
) -> ArtifactSpec:
    """The file of a row.

    Args:
        name: the artifact's name, which is its file name on machines.
        file: its publisher's name for it, where the row asks for one and it is another.
        os: None for what belongs to no system, such as a manifest.
    """
    values = {
        "version": version,
        "os": os or "",
        "arch": arch,
        "file": file or name,
        "exe": ".exe" if os == "windows" else "",
    }
    return ArtifactSpec(
        name=name,
        version=version,
        url=row.url.format(**values),
        checksum_url=row.checksum.format(**values) if row.checksum else None,
        os=os,
        arch=arch,
        member=row.member.format(**values) if row.member else None,
    )
