"""ctr and crictl, the clients of containerd, and its programs by hand."""

from __future__ import annotations

from dataclasses import dataclass

from provision.rehearsal.image_store import ImageError
from provision.rehearsal.models.container_clients import WrongUse, crictl_images, ctr_images, parse
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_containerd import SOCKET, cri_problem, images, pull, running
from provision.rehearsal.models.linux_program import Failed, Usage, path_of
from provision.rehearsal.shell import Call, Unsupported

_CTR = frozenset({"--connect-timeout", "--timeout", "-n", "--namespace", "-a", "--address"})
_CRICTL = frozenset({"--runtime-endpoint", "-r", "--image-endpoint", "-i", "--timeout", "-t", "--config", "-c"})


@dataclass(frozen=True)
class _Files:
    """The machine's files, by paths as a call writes them."""

    box: LinuxBox
    call: Call

    def read(self, path: str) -> bytes:
        return self.box.files.read(path_of(self.call, path))

    def write(self, path: str, data: bytes) -> None:
        self.box.files.write(path_of(self.call, path), data)


def ctr(box: LinuxBox, call: Call) -> int:
    """``ctr version``, ``ctr plugins ls``, ``ctr -n k8s.io images ...``."""
    try:
        given = parse(call.argv[1:], frozenset(), _CTR, verbs=True)
    except WrongUse as error:
        raise Usage(str(error)) from None
    server = running(box.machine)
    words = list(given.words)
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
    space = given.given.get("-n", given.given.get("--namespace", "default"))
    if words[:1] == ["images"] and space == "k8s.io":
        try:
            ctr_images(
                images(box.machine),
                words[1:],
                _Files(box, call),
                lambda line: call.out(f"{line}\n"),
                lambda: box.latency("linux-image-pull"),
            )
        except WrongUse as error:
            raise Usage(str(error)) from None
        except ImageError as error:
            raise Failed(f"ctr: {error}") from None
        except FileNotFoundError as error:
            raise Failed(f"ctr: open {error.filename}: no such file or directory") from None
        return 0
    raise Unsupported(" ".join(call.argv), 0)


def crictl(box: LinuxBox, call: Call) -> int:
    """``crictl --version``, ``version``, ``info``, ``images``, ``pull``."""
    try:
        given = parse(call.argv[1:], frozenset({"--version", "-v", "--debug", "-D"}), _CRICTL, verbs=True)
    except WrongUse as error:
        raise Usage(str(error)) from None
    words = list(given.words)
    if {"--version", "-v"} & set(given.given):
        call.out(f"crictl version {box.version}\n")
        return 0
    if not box.files.exists("/etc/crictl.yaml") and not {"--runtime-endpoint", "-r"} & set(given.given):
        call.err('WARN[0000] Config "/etc/crictl.yaml" does not exist, trying next\n')
    if problem := cri_problem(box.machine):
        raise Failed(f"FATA[0000] validate service connection: {problem}")
    if words[:1] == ["pull"] and len(words) == 2 and not words[1].startswith("-"):
        box.latency("linux-image-pull")
        pull(box, words[1])
        call.out(f"Image is up to date for {words[1]}\n")
        return 0
    if words[:1] in (["images"], ["img"]):
        try:
            crictl_images(images(box.machine), words[1:], lambda line: call.out(f"{line}\n"))
        except WrongUse as error:
            raise Usage(str(error)) from None
        return 0
    if words in (["info"], ["version"]):
        call.out("{}\n" if words == ["info"] else "Version:  0.1.0\nRuntimeName:  containerd\n")
        return 0
    raise Unsupported(" ".join(call.argv), 0)


def containerd(box: LinuxBox, call: Call) -> int:
    """containerd by hand: ``--version`` only."""
    if call.argv[1:] in (("--version",), ("-v",)):
        call.out(f"containerd github.com/containerd/containerd/v2 {box.version} 0000000\n")
        return 0
    raise Usage("rehearsal: containerd runs as a unit", 70)


def runc(box: LinuxBox, call: Call) -> int:
    """runc by hand: ``--version`` only."""
    if call.argv[1:] == ("--version",):
        call.out(f"runc version {box.version}\n")
        return 0
    raise Usage("rehearsal: runc is run by containerd", 70)


register({"ctr": ctr, "crictl": crictl, "containerd": containerd, "runc": runc})
