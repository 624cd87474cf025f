# ruff: noqa: ARG001 - programs and services have one signature
"""containerd as a service, and the clients that talk to its socket: ctr and crictl."""

from __future__ import annotations

import hashlib
import tomllib
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options
from provision.rehearsal.models.linux_units import SERVICES, STOPPED
from provision.rehearsal.shell import Call, Unsupported
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
    else:
        runtime = plugins.get("io.containerd.grpc.v1.cri", {})
        sandbox = runtime.get("sandbox_image")
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


def ctr(box: LinuxBox, call: Call) -> int:
    """``ctr version``, ``ctr plugins ls``, ``ctr -n k8s.io images ls``."""
    given = options(call, ["-q"], ["--connect-timeout", "-n|--namespace", "-a|--address"])
    server = running(box.machine)
    words = given.operands
    if words == ["version"]:
        call.out(f"Client:\n  Version:  {box.version}\n  Revision: 0000000\n  Go version: go1.26.4\n\n")
    if server is None:
        raise Failed(
            f'ctr: failed to dial "{SOCKET}": connection error: desc = "transport: error while dialing: '
            f'dial unix {SOCKET}: connect: no such file or directory"'
        )
    if words == ["version"]:
        call.out(f"Server:\n  Version:  {server['version']}\n  Revision: 0000000\n  UUID: 00000000\n")
        return 0
    if words in (["plugins", "ls"], ["plugin", "ls"], ["plugins", "list"]):
        state = "error" if server.get("problem") else "ok"
        call.out("TYPE                                      ID                       PLATFORMS         STATUS    \n")
        call.out("io.containerd.snapshotter.v1              overlayfs                linux/amd64       ok        \n")
        call.out(f"io.containerd.grpc.v1                     cri                      -                 {state:<10}\n")
        return 0
    if words in (["images", "ls"], ["image", "ls"]) and given.get("-n") == "k8s.io":
        with box.machine.state.reading() as data:
            names = sorted(data.get("images", []))
        call.out("".join(f"{name}\n" for name in names) if "-q" in given else "REF\n" + "\n".join(names) + "\n")
        return 0
    raise Unsupported(" ".join(call.argv), 0)


def pull(box: LinuxBox, image: str) -> None:
    """Have an image; it is there at once when it was pulled before.

    Raises:
        Failed: the runtime does not answer.
    """
    problem = cri_problem(box.machine)
    if problem:
        raise Failed(f'failed to pull image "{image}": rpc error: code = Unavailable desc = {problem}')
    with box.machine.state.change() as data:
        images = data.setdefault("images", [])
        if image not in images:
            images.append(image)


def crictl(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-q"], ["--runtime-endpoint|-r", "--timeout"])
    words = given.operands
    problem = cri_problem(box.machine)
    if words == ["--version"]:
        call.out(f"crictl version {box.version}\n")
        return 0
    if not box.files.exists("/etc/crictl.yaml") and "--runtime-endpoint" not in given:
        call.err('WARN[0000] Config "/etc/crictl.yaml" does not exist, trying next\n')
    if problem:
        raise Failed(f"FATA[0000] validate service connection: {problem}")
    if words[:1] == ["pull"]:
        pull(box, words[1])
        return 0
    if words[:1] == ["images"] and len(words) <= 2:
        with box.machine.state.reading() as data:
            names = [name for name in data.get("images", []) if words[1:] in ([], [name], [name.rpartition(":")[0]])]
        if "-q" in given:
            call.out("".join(f"sha256:{hashlib.sha256(name.encode()).hexdigest()}\n" for name in names))
            return 0
        call.out(f"{'IMAGE':<50} {'TAG':<30} IMAGE ID\n")
        for name in names:
            image, _, tag = name.rpartition(":")
            call.out(f"{image:<50} {tag:<30} {hashlib.sha256(name.encode()).hexdigest()[:13]}\n")
        return 0
    if words in (["info"], ["version"]):
        call.out("{}\n" if words == ["info"] else "Version:  0.1.0\nRuntimeName:  containerd\n")
        return 0
    raise Unsupported(" ".join(call.argv), 0)


def containerd(box: LinuxBox, call: Call) -> int:
    if call.argv[1:] in (("--version",), ("-v",)):
        call.out(f"containerd github.com/containerd/containerd/v2 {box.version} 0000000\n")
        return 0
    raise Usage("rehearsal: containerd runs as a unit", 70)


def runc(box: LinuxBox, call: Call) -> int:
    if call.argv[1:] == ("--version",):
        call.out(f"runc version {box.version}\n")
        return 0
    raise Usage("rehearsal: runc is run by containerd", 70)


SERVICES["containerd"] = serve
STOPPED[UNIT] = stopped
register({"ctr": ctr, "crictl": crictl, "containerd": containerd, "runc": runc})
