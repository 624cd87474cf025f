"""The settings: variables.yaml, parsed, validated, frozen. Every key stands here with its default."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provision.secrets import Secret

Os = Literal["linux", "windows"]
ProviderName = Literal["auto", "virtualbox", "vmware_desktop", "hyperv", "libvirt", "existing", "rehearsal"]


class Part(BaseModel):
    """Base of every part: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Cluster(Part):
    name: str = "hybrid"


class Kubernetes(Part):
    """Which Kubernetes, and how it is configured. At most one of version, sha, ref and path."""

    version: str = "1.36"
    sha: str | None = None
    ref: str | None = None
    path: Path | None = None
    remote: str = "https://github.com/kubernetes/kubernetes"
    from_source: bool = False
    compatibility: str | None = None
    binaries: Mapping[str, Path] = Field(default_factory=dict)
    control_plane: Literal["auto", "release", "ci", "source"] = "auto"
    feature_gates: Mapping[str, bool] = Field(default_factory=dict)
    extra_args: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    kubelet_config: Mapping[str, Any] = Field(default_factory=dict)
    runtime_config: Mapping[str, bool] = Field(default_factory=dict)
    verbosity: Annotated[int, Field(ge=0, le=10)] = 2
    kubeadm_patches: Mapping[str, Any] = Field(default_factory=dict)


class Calico(Part):
    version: str = "3.32.1"


class Antrea(Part):
    version: str = "2.7.0"


class Flannel(Part):
    version: str = "0.28.9"
    backend: Literal["vxlan", "host-gw"] = "vxlan"


class Containerd(Part):
    linux: str = "2.3.4"
    windows: str = "2.3.4"
    from_source: bool = False
    config: Mapping[str, Any] = Field(default_factory=dict)


class Hcsshim(Part):
    sha: str | None = None
    ref: str | None = None
    path: Path | None = None


class Network(Part):
    """Addresses, and the way out.

    Attributes:
        pods: pod CIDR.
        services: service CIDR.
        machines: the network of the private cards; default addresses are taken from it in order.
        egress: how Windows pods reach the outside: through the control plane (which forwards and
            masquerades), through a gateway with this address, or not at all.
    """

    pods: IPv4Network = IPv4Network("10.244.0.0/16")
    services: IPv4Network = IPv4Network("10.96.0.0/12")
    machines: IPv4Network = IPv4Network("192.168.56.0/24")
    egress: Literal["control-plane", "none"] | IPv4Address = "control-plane"
    proxy: str | None = None
    ca: Path | None = None
    registries: Mapping[str, Any] = Field(default_factory=dict)


class Machine(Part):
    """One VM or host.

    Attributes:
        memory: MiB.
        address: address on the machines' network; assigned in order from .10 (control plane) and .11 on.
        mac: of the private card; derived from cluster and machine name when absent.
        host, port, user, key: only for provider ``existing``; the password comes from the environment
            (``HYBRID_PASSWORD_<NAME>``) or a prompt, never from the file.
    """

    name: str
    os: Os
    role: Literal["control-plane", "worker"] = "worker"
    transport: Literal["ssh", "winrm"] | None = None
    address: IPv4Address | None = None
    mac: str | None = None
    cpus: Annotated[int, Field(ge=1)] = 2
    memory: Annotated[int, Field(ge=1024)] = 4096
    windows_version: Literal["2019", "2022", "2025"] = "2022"
    box: str | None = None
    box_version: str | None = None
    box_url: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    password: Secret | None = None


class Features(Part):
    hyperv_isolation: bool = False
    node_log_query: bool = True
    prepull: bool = False


class Images(Part):
    archives: tuple[Path, ...] = ()


class Timeouts(Part):
    """Seconds."""

    boot: float = 900
    reboot: float = 900
    step: float = 900
    features: float = 1800
    node_ready: float = 900


class Rehearsal(Part):
    """How fast the rehearsal's clock runs (1.0 is real time) and which faults it plays."""

    scale: Annotated[float, Field(ge=0.0, le=10.0)] = 0.02
    faults: tuple[str, ...] = ()


class Settings(Part):
    """The whole file."""

    cluster: Cluster = Cluster()
    provider: ProviderName = "auto"
    provider_options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    kubernetes: Kubernetes = Kubernetes()
    cni: Literal["calico", "antrea", "flannel"] = "calico"
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
    mirrors: Mapping[str, str] = Field(default_factory=dict)
    images: Images = Images()
    timeouts: Timeouts = Timeouts()
    rehearsal: Rehearsal = Rehearsal()

    def machine(self, name: str) -> Machine:
        """The machine of that name; KeyError when there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise KeyError(name)

    @property
    def control_plane(self) -> Machine:
        return next(m for m in self.machines if m.role == "control-plane")

    @property
    def windows(self) -> tuple[Machine, ...]:
        return tuple(m for m in self.machines if m.os == "windows")

    @property
    def linux_workers(self) -> tuple[Machine, ...]:
        return tuple(m for m in self.machines if m.os == "linux" and m.role == "worker")

    def node_name(self, machine: str) -> str:
        """The name of a machine's Kubernetes node: the machine's own, marked where it is only rehearsed."""
        return f"{machine}-rehearsal" if self.provider == "rehearsal" else machine
