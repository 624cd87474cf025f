# ruff: noqa: ARG001 - programs and services have one signature
"""containerd as a service, and its images; the clients that talk to its socket are in `linux_ctr`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from provision.rehearsal.image_store import ImageError, ImageStore
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.models.linux_units import SERVICES, STOPPED
from provision.rehearsal.standin import read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

UNIT = "containerd.service"
CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
ENDPOINTS = (f"unix://{SOCKET}", SOCKET)
_SOCKET_MODE = 0o140660
_DEFAULTS = {"sandbox": "registry.k8s.io/pause:3.10.2", "bin_dirs": ["/opt/cni/bin"], "conf_dir": "/etc/cni/net.d"}


def serve(box: LinuxBox, words: tuple[str, ...], env: dict[str, str]) -> str | None:
    """containerd starts with a configuration that parses; its CRI side has to find what it needs."""
    path = CONFIG
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in ("-c", "--config") and rest:
            path = rest.pop(0)
        else:
            return f"containerd: flag provided but not defined: {word}"
    text = box.files.read(path).decode() if box.files.exists(path) else ""
    if not text and path != CONFIG:
        return f"containerd: failed to load TOML from {path}: no such file or directory"
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return f"containerd: failed to load TOML: {path}: {error}"
    major = int(box.version.lstrip("v").split(".")[0])
    version = config.get("version", 1 if text else 3)
    if version not in ((2, 3) if major >= 2 else (1, 2)):
        return (
            f"containerd: expected containerd config version equal to or less than "
            f"`{3 if major >= 2 else 2}`, got `{version}`"
        )
    settings = {**_DEFAULTS, **_cri(config, version)}
    if "overlay" not in box.machine.state.data.get("modules", []):
        settings["problem"] = 'failed to create CRI service: snapshotter "overlayfs" was not found'
    with box.machine.state.change() as data:
        data["containerd"] = {"version": box.version, **settings}
        box.files.make_folders(SOCKET.rpartition("/")[0])
        box.files.write(SOCKET, b"", _SOCKET_MODE)
        box.files.chmod(SOCKET, _SOCKET_MODE)
    if settings.get("problem"):
        box.machine.units.log(UNIT, f"failed to load plugin io.containerd.grpc.v1.cri: {settings['problem']}")
    return None


def _cri(config: dict[str, Any], version: int) -> dict[str, Any]:
    """What the configuration says to the Kubernetes side; ``problem`` when that side does not load."""
    plugins = config.get("plugins", {})
    found: dict[str, Any] = {"cgroup": "cgroupfs"}
    if version == 3:
        images = plugins.get("io.containerd.cri.v1.images", {})
        runtime = plugins.get("io.containerd.cri.v1.runtime", {})
        sandbox = images.get("pinned_images", {}).get("sandbox")
        registry = images.get("registry", {})
    else:
        runtime = plugins.get("io.containerd.grpc.v1.cri", {})
        sandbox = runtime.get("sandbox_image")
        registry = runtime.get("registry", {})
    found["config_path"] = str(registry.get("config_path", ""))
    if registry.get("mirrors") and found["config_path"]:
        found["problem"] = "invalid plugin config: `mirrors` cannot be set when `config_path` is provided"
    cni = runtime.get("cni", {})
    if sandbox:
        found["sandbox"] = sandbox
    if cni.get("bin_dir") and cni.get("bin_dirs"):
        found["problem"] = "invalid cni config: bin_dir and bin_dirs cannot be set at the same time"
    if cni.get("bin_dirs") or cni.get("bin_dir"):
        found["bin_dirs"] = cni.get("bin_dirs") or [cni["bin_dir"]]
    if cni.get("conf_dir"):
        found["conf_dir"] = cni["conf_dir"]
    runc = runtime.get("containerd", {}).get("runtimes", {}).get("runc", {})
    if runc.get("options", {}).get("SystemdCgroup") is True:
        found["cgroup"] = "systemd"
    disabled = config.get("disabled_plugins", [])
    if any(name in disabled for name in ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime")):
        found["problem"] = "the CRI plugin is disabled"
    return found


def stopped(machine: LinuxMachine) -> None:
    """The socket is useless without the server; systemd removes nothing, containerd does when it ends."""
    if machine.files.exists(SOCKET):
        machine.files.remove(SOCKET)


def running(machine: LinuxMachine) -> dict[str, Any] | None:
    """What the running containerd was started with; None when it does not run."""
    machine.units.retry(UNIT)
    if not machine.units.is_active(UNIT):
        return None
    with machine.state.reading() as data:
        return dict(data.get("containerd", {}))


def cri_problem(machine: LinuxMachine) -> str | None:
    """Why the container runtime interface does not answer; None when it does."""
    found = running(machine)
    if found is None:
        return f"dial unix {SOCKET}: connect: no such file or directory"
    return found.get("problem")


def runc_problem(box: LinuxBox) -> str | None:
    """Why no container can be started; None when runc works."""
    path = box.which("runc")
    if path is None:
        return 'exec: "runc": executable file not found in $PATH'
    found = read_standin(box.files.read(path))
    return None if found and found.program == "runc" else f"fork/exec {path}: exec format error"


def images(machine: LinuxMachine) -> ImageStore:
    """The images of the machine, pulled as the running containerd was told."""
    with machine.state.reading() as data:
        return ImageStore(machine, str(data.get("containerd", {}).get("config_path", "")))


def sandbox(machine: LinuxMachine) -> str:
    """The pause image that the running containerd starts every pod with."""
    return str((running(machine) or _DEFAULTS)["sandbox"])


def pull(box: LinuxBox, image: str) -> str:
    """Have an image through the runtime interface; returns its digest.

    Raises:
        Failed: the runtime does not answer, or nobody gives the image.
    """
    problem = cri_problem(box.machine)
    if problem:
        raise Failed(f'failed to pull image "{image}": rpc error: code = Unavailable desc = {problem}')
    try:
        return images(box.machine).pull(image)
    except ImageError as error:
        code = "NotFound" if str(error).endswith("not found") else "Unknown"
        raise Failed(f'failed to pull image "{image}": rpc error: code = {code} desc = {error}') from None


SERVICES["containerd"] = serve
STOPPED[UNIT] = stopped
