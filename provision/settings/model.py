"""The settings: variables.yaml, parsed, validated, frozen. Every key stands here with its default.

Descriptions say what a key means and its unit; they are used in remedies and in the JSON schema.
A value that is wrong by itself is refused here; what contradicts another value, in `judge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provision.secrets import Secret
from provision.settings.values import (
    Address,
    BoxName,
    Cidr,
    ClusterName,
    FileOrUrl,
    KubernetesWord,
    Mac,
    Mebibytes,
    ProxyUrl,
    Sha,
    VersionText,
    egress_value,
    version_like,
)

Os = Literal["linux", "windows"]
ProviderName = Literal["auto", "virtualbox", "vmware_desktop", "hyperv", "libvirt", "existing", "rehearsal"]


def _about(text: str) -> Any:
    return Field(description=text)


class Part(BaseModel):
    """Base of every part: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Cluster(Part):
    """What the cluster is called; folders, VM names and the kube context follow."""

    name: Annotated[ClusterName, _about("a name of up to 30 lower-case letters, digits and dashes")] = "hybrid"


class Kubernetes(Part):
    """Which Kubernetes, and how it is configured. At most one of version, sha, ref and path.

    With ``control_plane: release`` the version is the control plane's, and sha, ref, path or binaries
    are what the nodes run; ``compatibility`` says which release that is.
    """

    version: Annotated[
        KubernetesWord, _about("a minor (its latest known patch is taken), a full version, or a CI build (ci/latest)")
    ] = "1.36"
    sha: Annotated[Sha | None, _about("a commit to build, 7 to 40 hex digits")] = None
    ref: Annotated[str | None, _about("a branch, a tag or pull/12345 to build")] = None
    path: Annotated[Path | None, _about("a local checkout to build, uncommitted changes included")] = None
    remote: Annotated[str, _about("the git repository that sha and ref are fetched from")] = (
        "https://github.com/kubernetes/kubernetes"
    )
    from_source: Annotated[bool, _about("build the release instead of downloading it")] = False
    compatibility: Annotated[VersionText | None, _about("the release that a source build behaves like")] = None
    binaries: Annotated[Mapping[str, Path], _about("file name -> your own build of it, such as kubelet.exe")] = Field(
        default_factory=dict
    )
    control_plane: Annotated[
        Literal["auto", "release", "ci", "source"], _about("where the control plane's images come from")
    ] = "auto"
    feature_gates: Annotated[Mapping[str, bool], _about("gate -> true or false, for all components")] = Field(
        default_factory=dict
    )
    extra_args: Annotated[Mapping[str, Mapping[str, str]], _about("component -> flag (without dashes) -> value")] = (
        Field(default_factory=dict)
    )
    kubelet_config: Annotated[Mapping[str, Any], _about("merged into every KubeletConfiguration")] = Field(
        default_factory=dict
    )
    runtime_config: Annotated[Mapping[str, bool], _about("API group and version -> served or not")] = Field(
        default_factory=dict
    )
    verbosity: Annotated[int, Field(ge=0, le=10, description="log level of the components, 0 to 10")] = 2
    kubeadm_patches: Annotated[Mapping[str, Any], _about("kubeadm patch file name -> its content")] = Field(
        default_factory=dict
    )


class Calico(Part):
    """Used when ``cni`` is calico."""

    version: Annotated[str, version_like("3.32.1"), _about("Calico's version")] = "3.32.1"


class Antrea(Part):
    """Used when ``cni`` is antrea."""

    version: Annotated[str, version_like("2.7.0"), _about("Antrea's version")] = "2.7.0"


class Flannel(Part):
    """Used when ``cni`` is flannel."""

    version: Annotated[str, version_like("0.28.9"), _about("Flannel's version")] = "0.28.9"
    backend: Annotated[Literal["vxlan", "host-gw"], _about("vxlan, or host-gw on one layer 2 segment")] = "vxlan"


class Containerd(Part):
    """Which containerd each OS gets."""

    linux: Annotated[str, version_like("2.3.4"), _about("containerd's version on Linux")] = "2.3.4"
    windows: Annotated[str, version_like("2.3.4"), _about("containerd's version on Windows")] = "2.3.4"
    from_source: Annotated[bool, _about("build it instead of downloading it")] = False
    config: Annotated[Mapping[str, Any], _about("merged into config.toml on both OSes")] = Field(default_factory=dict)


class Hcsshim(Part):
    """A containerd shim of one's own for Windows; at most one of sha, ref and path."""

    sha: Annotated[Sha | None, _about("a commit to build, 7 to 40 hex digits")] = None
    ref: Annotated[str | None, _about("a branch or tag to build")] = None
    path: Annotated[Path | None, _about("a local checkout to build")] = None


class Network(Part):
    """Addresses, and the way out.

    Attributes:
        pods: pod CIDR.
        services: service CIDR.
        machines: the network of the private cards; default addresses are taken from it in order.
        egress: how Windows pods reach the outside: through the control plane (which forwards and
            masquerades), through a gateway with this address, or not at all.
    """

    pods: Annotated[Cidr, _about("the pods' network, address/prefix")] = IPv4Network("10.244.0.0/16")
    services: Annotated[Cidr, _about("the services' network, address/prefix")] = IPv4Network("10.96.0.0/12")
    machines: Annotated[Cidr, _about("the network of the private cards, address/prefix")] = IPv4Network(
        "192.168.56.0/24"
    )
    egress: Annotated[
        Literal["control-plane", "none"] | IPv4Address,
        egress_value,
        _about("Windows pods' way out: control-plane, none, or a gateway's address"),
    ] = "control-plane"
    proxy: Annotated[ProxyUrl | None, _about("URL of an HTTP proxy for downloads and image pulls")] = None
    ca: Annotated[Path | None, _about("PEM file with certificate authorities that the machines shall trust")] = None
    registries: Annotated[
        Mapping[str, Any], _about("registry host -> mirror URL, a list of them, or {mirrors, ca, skip_verify}")
    ] = Field(default_factory=dict)
    # Not in the file: user:password by registry or mirror host (HYBRID_REGISTRY_<HOST>), and what the PEM files hold.
    pull_secrets: Mapping[str, Secret] = Field(default_factory=dict, exclude=True)
    authorities: Mapping[str, tuple[str, ...]] = Field(default_factory=dict, exclude=True)


class Machine(Part):
    """One VM or host.

    Attributes:
        memory: MiB.
        address: address on the machines' network; assigned in order from .10 (control plane) and .11 on.
        mac: of the private card; derived from cluster and machine name when absent.
        host, port, user, key: only for provider ``existing``; the password comes from the environment
            (``HYBRID_PASSWORD_<NAME>``) or a prompt, never from the file.
    """

    name: Annotated[str, _about("the host name: lower-case letters, digits, dashes; up to 15 characters on Windows")]
    os: Annotated[Os, _about("linux or windows")]
    role: Annotated[Literal["control-plane", "worker"], _about("control-plane or worker")] = "worker"
    transport: Annotated[
        Literal["ssh", "winrm"] | None, _about("ssh, or winrm (Windows only, and the default there)")
    ] = None
    address: Annotated[Address | None, _about("address on network.machines")] = None
    mac: Annotated[Mac | None, _about("MAC address of the private card")] = None
    cpus: Annotated[int, Field(ge=1, description="a number of processors")] = 2
    memory: Annotated[Mebibytes, _about("memory in MiB")] = 4096
    windows_version: Annotated[Literal["2019", "2022", "2025"], _about("Windows Server 2019, 2022 or 2025")] = "2022"
    box: Annotated[BoxName | None, _about("Vagrant box, or the path of a .box file")] = None
    box_version: Annotated[str | None, _about("version of the Vagrant box")] = None
    box_url: Annotated[FileOrUrl | None, _about("where the Vagrant box is downloaded from")] = None
    host: Annotated[str | None, _about("address or name to connect to (provider existing)")] = None
    port: Annotated[int | None, Field(ge=1, le=65535, description="port to connect to (provider existing)")] = None
    user: Annotated[str | None, _about("user to connect as (provider existing)")] = None
    key: Annotated[Path | None, _about("private SSH key file (provider existing)")] = None
    password: Annotated[Secret | None, _about("never in the file: HYBRID_PASSWORD_<NAME> or the prompt")] = None

    @property
    def reached_over(self) -> Literal["ssh", "winrm"]:
        """The transport; Windows machines speak WinRM unless the settings say otherwise."""
        return self.transport or ("winrm" if self.os == "windows" else "ssh")


class Features(Part):
    """What the cluster can do beyond plain pods."""

    hyperv_isolation: Annotated[bool, _about("Hyper-V isolated Windows pods; needs nested virtualisation")] = False
    node_log_query: Annotated[bool, _about("logs of node services through the API")] = True
    prepull: Annotated[bool, _about("pull the test images before they are needed")] = False


class Images(Part):
    """Container images that need no registry."""

    archives: Annotated[tuple[Path, ...], _about("image archives to import on the machines of their OS")] = ()


Seconds = Annotated[float, Field(gt=0, le=86400, description="seconds")]


class Timeouts(Part):
    """Seconds until a wait has failed."""

    boot: Seconds = 900
    reboot: Seconds = 900
    step: Seconds = 900
    features: Seconds = 1800
    node_ready: Seconds = 900


class Rehearsal(Part):
    """How fast the rehearsal's clock runs (1.0 is real time) and which faults it plays."""

    scale: Annotated[float, Field(ge=0.0, le=10.0, description="a factor on all latencies; 1.0 is real time")] = 0.02
    faults: Annotated[tuple[str, ...], _about("names of the faults to play")] = ()


class SourceState(Part):
    """The state of a source tree that a word of the settings means now (see `provision.build.base.Source`)."""

    remote: str
    commit: str
    tree: str
    dirty: bool
    version: str
    committed: int
    go: str


class OwnFile(Part):
    """A program of the user's own (``kubernetes.binaries``), as it is now.

    Attributes:
        version: what was stamped into it, without ``v``.
    """

    path: Path
    version: str
    sha256: str


class Chosen(Part):
    """What the words of ``kubernetes`` mean now: resolved once, pinned by the lock; never written by hand.

    Attributes:
        control_plane: where the control plane (and all of Linux, and the tools) comes from.
        version: the control plane's version, without ``v``.
        nodes: the version of the Windows nodes' kubelet and kube-proxy, without ``v``.
        source: what is built for the Windows nodes; None when nothing is.
        plane_source: what the control plane is built from (``control_plane`` is source); it stays when the
            nodes' source moves on, because a control plane is not changed in place.
        containerd, hcsshim: what is built of them; None when their releases are taken.
        binaries: the user's own files, by file name; each replaces what would be taken else.
        why: one sentence for `invoke plan`.
    """

    control_plane: Literal["release", "ci", "source"]
    version: str
    nodes: str
    source: SourceState | None = None
    plane_source: SourceState | None = None
    containerd: SourceState | None = None
    hcsshim: SourceState | None = None
    binaries: Mapping[str, OwnFile] = Field(default_factory=dict)
    why: str


class ImageArchive(Part):
    """An archive of images that machines import: the user's own, or one that was exported from a cluster.

    Attributes:
        name: the file's name on machines.
        url: ``image:FILE?sha256=...`` or ``image:REFERENCE?platform=...``, as the lock has it.
        os: the system whose machines import it.
        windows: the Windows Server release that it is for; None for all.
        images: the names that containerd lists once it is imported.
    """

    name: str
    version: str
    url: str
    os: Os
    windows: str | None = None
    images: tuple[str, ...]


class Settings(Part):
    """The whole file."""

    cluster: Cluster = Cluster()
    provider: Annotated[ProviderName, _about("what makes the machines; auto takes the first that works here")] = "auto"
    provider_options: Annotated[
        Mapping[str, Mapping[str, Any]], _about("provider -> what goes into the Vagrantfile verbatim")
    ] = Field(default_factory=dict)
    kubernetes: Kubernetes = Kubernetes()
    cni: Annotated[Literal["calico", "antrea", "flannel"], _about("the pod network")] = "calico"
    calico: Calico = Calico()
    antrea: Antrea = Antrea()
    flannel: Flannel = Flannel()
    containerd: Containerd = Containerd()
    hcsshim: Hcsshim = Hcsshim()
    network: Network = Network()
    machines: tuple[Machine, ...] = (
        Machine(name="cp1", os="linux", role="control-plane", address=IPv4Address("192.168.56.10")),
        Machine(name="winw1", os="windows", address=IPv4Address("192.168.56.11"), memory=6144),
    )
    features: Features = Features()
    mirrors: Annotated[Mapping[str, FileOrUrl], _about("base URL -> URL or folder that is asked instead")] = Field(
        default_factory=dict
    )
    images: Images = Images()
    timeouts: Timeouts = Timeouts()
    rehearsal: Rehearsal = Rehearsal()
    # Not a key of the file: what its words mean now. None until they have been resolved.
    chosen: Annotated[Chosen | None, Field(default=None, exclude=True)] = None
    # Neither: what `images.archives` hold and, with --offline, what the lock pins of an earlier cluster.
    archives: Annotated[tuple[ImageArchive, ...], Field(default=(), exclude=True)] = ()

    def machine(self, name: str) -> Machine:
        """The machine of that name; KeyError when there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise KeyError(name)

    @property
    def control_plane(self) -> Machine:
        """The machine with the control plane."""
        return next(m for m in self.machines if m.role == "control-plane")

    @property
    def windows(self) -> tuple[Machine, ...]:
        """All Windows machines."""
        return tuple(m for m in self.machines if m.os == "windows")

    @property
    def linux_workers(self) -> tuple[Machine, ...]:
        """All Linux machines but the control plane."""
        return tuple(m for m in self.machines if m.os == "linux" and m.role == "worker")

    def node_name(self, machine: str) -> str:
        """The name of a machine's Kubernetes node: the machine's own, marked where it is only rehearsed."""
        return f"{machine}-rehearsal" if self.provider == "rehearsal" else machine
