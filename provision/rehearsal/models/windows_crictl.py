"""crictl.exe on a modelled Windows, and kube-proxy.exe and kubectl.exe as far as they run by hand."""

from __future__ import annotations

import json
import ntpath

from provision.rehearsal import yaml_text
from provision.rehearsal.image_store import ImageError
from provision.rehearsal.models.container_clients import WrongUse, crictl_images
from provision.rehearsal.models.windows_containerd import ENDPOINTS, cri_fault, images, runtime
from provision.rehearsal.models.windows_kubelet import network_ready
from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_table import ProgramError, program


def _endpoint(call: Program, given: str) -> str:
    """The runtime endpoint: flag, environment, then the configuration beside the user or the program."""
    if given:
        return given
    if "CONTAINER_RUNTIME_ENDPOINT" in call.process.environment:
        return call.process.environment["CONTAINER_RUNTIME_ENDPOINT"]
    home = call.process.environment.get("USERPROFILE", "")
    for path in (ntpath.join(home, ".crictl", "crictl.yaml"), ntpath.join(ntpath.dirname(call.path), "crictl.yaml")):
        if call.machine.files.exists(path):
            document = yaml_text.load(call.machine.files.read(path)) or {}
            return str(document.get("runtime-endpoint", ""))
    return "npipe:////./pipe/containerd-containerd"


@program("crictl")
def crictl(call: Program) -> int:
    """crictl.exe: --version, version, info, images, pull, ps, pods."""
    words = list(call.arguments)
    endpoint = ""
    while words and words[0].startswith("-"):
        word, equals, value = words.pop(0).partition("=")
        if word in ("--version", "-v"):
            call.out(f"crictl version {call.what.version}")
            return 0
        if word not in ("--runtime-endpoint", "-r", "--image-endpoint", "-i", "--timeout", "-t", "--config", "-c"):
            raise ProgramError(1, f"flag provided but not defined: {word}")
        value = value if equals else words.pop(0)
        if word in ("--runtime-endpoint", "-r"):
            endpoint = value
    endpoint = _endpoint(call, endpoint)
    fault = (
        cri_fault(call.machine)
        if endpoint in ENDPOINTS
        else f"open {endpoint}: The system cannot find the file specified."
    )
    if fault:
        raise ProgramError(1, f'level=fatal msg="validate service connection: validate CRI v1 runtime API for endpoint'
                              f' \\"{endpoint}\\": {fault}"')  # fmt: skip
    state = runtime(call.machine) or {}
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb == "version":
        call.out(
            f"Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  {state['version']}\nRuntimeApiVersion:  v1"
        )
    elif verb == "info":
        ready = network_ready(call.machine)
        conditions = [{"type": "RuntimeReady", "status": True}, {"type": "NetworkReady", "status": ready}]
        call.out(
            json.dumps({"status": {"conditions": conditions}, "config": {"sandboxImage": state["sandbox"]}}, indent=2)
        )
    elif verb in ("images", "img"):
        try:
            crictl_images(images(call.machine), rest, call.out)
        except WrongUse as error:
            raise ProgramError(1, str(error)) from error
    elif verb == "pull" and len(rest) == 1 and not rest[0].startswith("-"):
        call.machine.latencies.wait("windows-image-pull", call.process.killed)
        try:
            images(call.machine).pull(rest[0])
        except ImageError as error:
            code = "NotFound" if str(error).endswith("not found") else "Unknown"
            raise ProgramError(
                1, f'level=fatal msg="pulling image: rpc error: code = {code} desc = {error}"'
            ) from error
        call.out(f"Image is up to date for {rest[0]}")
    elif verb in ("ps", "pods"):
        call.out("CONTAINER IMAGE CREATED STATE NAME" if verb == "ps" else "POD ID CREATED STATE NAME NAMESPACE")
    else:
        raise ProgramError(1, f"rehearsal: crictl.exe {' '.join(words)} is not modelled")
    return 0


@program("kubectl")
def kubectl(call: Program) -> int:
    if call.arguments[:1] == ["version"] and "--client" in call.arguments:
        call.out(f"Client Version: {call.what.version}")
        return 0
    raise ProgramError(1, "rehearsal: kubectl.exe on a node is not modelled")


@program("kube-log-runner")
def kube_log_runner(_: Program) -> int:
    raise ProgramError(1, "rehearsal: kube-log-runner.exe runs as a service only")
