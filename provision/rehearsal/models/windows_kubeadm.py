"""kubeadm.exe on a modelled Windows: ``join`` with a configuration file, as the version does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509

from provision import knowledge
from provision.rehearsal import yaml_text
from provision.rehearsal.models.neighbours import ClusterApi, JoinRefused, api_at
from provision.rehearsal.models.windows_containerd import ENDPOINTS, cri_fault
from provision.rehearsal.models.windows_kubelet import kubeconfig_text, register
from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_scm import ServiceError, services, start, stop
from provision.rehearsal.models.windows_table import ProgramError, program
from provision.rehearsal.standin import read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

KUBERNETES, KUBELET = "C:\\etc\\kubernetes", "C:\\var\\lib\\kubelet"
_TOP = {"apiVersion", "kind", "discovery", "nodeRegistration", "caCertPath", "controlPlane", "dryRun", "patches",
        "skipPhases", "timeouts"}  # fmt: skip
_NODE = {
    "name",
    "criSocket",
    "taints",
    "kubeletExtraArgs",
    "ignorePreflightErrors",
    "imagePullPolicy",
    "imagePullSerial",
}
_UNKNOWN = ("error execution phase preflight: couldn't validate the identity of the API Server: failed to request the"
            " cluster-info ConfigMap")  # fmt: skip
_TOKEN = {"token", "apiServerEndpoint", "caCertHashes", "unsafeSkipCAVerification"}


@dataclass(frozen=True)
class Join:
    """A JoinConfiguration."""

    endpoint: str
    token: str
    hashes: tuple[str, ...]
    name: str
    socket: str
    arguments: Mapping[str, str]
    taints: tuple[str, ...]


class Bad(Exception):
    """kubeadm ends with this text."""


@program("kubeadm")
def kubeadm(call: Program) -> int:
    """kubeadm.exe version [-o short], join --config FILE [--v=N], and reset --force [--cri-socket=SOCKET]."""
    words = list(call.arguments)
    verb = words.pop(0) if words else ""
    if verb == "version":
        call.out(
            call.what.version
            if "short" in " ".join(words)
            else f'kubeadm version: {{GitVersion:"{call.what.version}"}}'
        )
        return 0
    if verb == "reset":
        return _reset(call, words)
    if verb != "join":
        raise ProgramError(1, f"rehearsal: kubeadm.exe {verb} is not modelled")
    config, verbosity = "", 0
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name not in ("--config", "--v", "-v"):
            raise ProgramError(
                1, f"unknown flag: {name}\nTo see the stack trace of this error execute with --v=5 or higher"
            )
        value = value if equals else words.pop(0) if words else ""
        if name == "--config":
            config = value
        elif not value.isdigit():
            raise ProgramError(1, f'invalid argument "{value}" for "-v, --v" flag: strconv.ParseInt: invalid syntax')
        else:
            verbosity = int(value)
    path = call.path_of(config) if config else ""
    if not path or not call.machine.files.exists(path):
        raise ProgramError(1, f"error: open {config}: The system cannot find the file specified.")
    try:
        wanted = parse_join(call.machine.files.read(path).decode(), call.what.version.removeprefix("v"), call.machine)
        if verbosity:
            _tell_checks(call)
        _join(call, wanted)
    except Bad as error:
        raise ProgramError(1, f"{error}\nTo see the stack trace of this error execute with --v=5 or higher") from error
    return 0


def _reset(call: Program, words: list[str]) -> int:
    """Ends the kubelet and the pods' containers, takes away what join wrote; networks and CNI files stay."""
    machine = call.machine
    given = dict(word.partition("=")[::2] for word in words)
    if strange := sorted(set(given) - {"--force", "-f", "--cri-socket"}):
        raise ProgramError(1, f"unknown flag: {strange[0]}")
    if not {"--force", "-f"} & set(given):
        raise ProgramError(1, 'Aborted reset operation: answer "y" was not given')
    if "--cri-socket" in given and given["--cri-socket"] not in ENDPOINTS:
        raise ProgramError(1, f"error execution phase preflight: no such endpoint {given['--cri-socket']}")
    if services(machine).get("kubelet", {}).get("state") == "Running":
        stop(machine, "kubelet", force=True)
    for container in list(machine.proxies):
        container.killed.set()
    for folder in (f"{KUBERNETES}\\manifests", f"{KUBERNETES}\\pki", KUBELET):
        if machine.files.is_folder(folder):
            machine.files.remove_tree(folder)
            machine.files.make_folder(folder)
    for name in ("kubelet", "bootstrap-kubelet"):
        if machine.files.exists(f"{KUBERNETES}\\{name}.conf"):
            machine.files.remove(f"{KUBERNETES}\\{name}.conf")
    call.out("The reset process does not clean CNI configuration, which lies in C:\\etc\\cni\\net.d")
    return 0


def _strict(part: Any, known: set[str], where: str) -> Mapping[str, Any]:
    if not isinstance(part, dict):
        raise Bad(f"error unmarshaling configuration: {where} is no object")
    strange = sorted(set(part) - known)
    if strange:
        raise Bad(f'error unmarshaling configuration: strict decoding error: unknown field "{where}{strange[0]}"')
    return part


def parse_join(text: str, version: str, machine: WindowsMachine) -> Join:
    """A join configuration, strictly, by the versions that this kubeadm reads.

    Raises:
        Bad: with kubeadm's words.
    """
    try:
        documents = yaml_text.load_all(text)
    except yaml.YAMLError as error:
        raise Bad(f"error converting YAML to JSON: {error}") from error
    joins = [d for d in documents if isinstance(d, dict) and d.get("kind") == "JoinConfiguration"]
    if len(joins) != 1:
        raise Bad("no JoinConfiguration found in the supplied config")
    document = _strict(joins[0], _TOP, "")
    api = str(document.get("apiVersion", "")).removeprefix("kubeadm.k8s.io/")
    if api not in knowledge.kubernetes(version).kubeadm_apis:
        raise Bad(f'your configuration file uses an old or unknown API spec: "kubeadm.k8s.io/{api}"')
    token = _strict(_strict(document.get("discovery", {}), {"bootstrapToken", "file", "tlsBootstrapToken"} |
                            ({"timeout"} if api == "v1beta3" else set()), "discovery.").get("bootstrapToken", {}),
                    _TOKEN, "discovery.bootstrapToken.")  # fmt: skip
    node = _strict(document.get("nodeRegistration", {}), _NODE, "nodeRegistration.")
    hashes = tuple(str(h) for h in token.get("caCertHashes", ()))
    if not hashes and not token.get("unsafeSkipCAVerification"):
        raise Bad("discovery.bootstrapToken.caCertHashes: Invalid value: using token-based discovery without"
                  " caCertHashes can be unsafe. Set unsafeSkipCAVerification as true to bypass.")  # fmt: skip
    taints = tuple(f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in node.get("taints") or ())
    return Join(
        endpoint=str(token.get("apiServerEndpoint", "")),
        token=str(token.get("token", "")),
        hashes=hashes,
        name=str(node.get("name") or machine.host_name),
        socket=str(node.get("criSocket", "npipe:////./pipe/containerd-containerd")),
        arguments=_arguments(node.get("kubeletExtraArgs"), api),
        taints=taints,
    )


def _arguments(given: Any, api: str) -> dict[str, str]:
    if given is None:
        return {}
    if api == "v1beta3":
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise Bad(
                "json: cannot unmarshal into Go struct field NodeRegistrationOptions.kubeletExtraArgs of type"
                " map[string]string"
            )
        return {str(k): v for k, v in given.items()}
    if not isinstance(given, list):
        raise Bad(
            "json: cannot unmarshal object into Go struct field NodeRegistrationOptions.kubeletExtraArgs of type"
            " []v1beta4.Arg"
        )
    for row in given:
        _strict(row, {"name", "value"}, "nodeRegistration.kubeletExtraArgs.")
        if not isinstance(row.get("value"), str):
            raise Bad("json: cannot unmarshal into Go struct field Arg.value of type string")
    return {str(row["name"]): str(row["value"]) for row in given}


_MUST_NOT_BE = ("kubelet.conf", "bootstrap-kubelet.conf", "pki\\ca.crt")


def _join(call: Program, join: Join) -> None:
    machine = call.machine
    call.out("[preflight] Running pre-flight checks")
    _preflight(call, join)
    api = _discover(call, join)
    with machine.state.reading():
        moment = machine.clock()
    try:
        authority = api.cluster_info(join.token, join.hashes, moment)
    except JoinRefused as error:
        raise Bad(
            f"error execution phase preflight: couldn't validate the identity of the API Server: {error}"
        ) from error
    _judge_time(authority, moment)
    version = call.what.version.removeprefix("v")
    _skew(call, api)
    if api.has_node(join.name):
        raise Bad(f'error execution phase kubelet-start: a Node with name "{join.name}" and status "Ready" already'
                  " exists in the cluster. You must delete the existing Node or change the name of this new joining"
                  " Node")  # fmt: skip
    if not machine.latencies.wait("kubeadm-join-windows", call.process.killed):
        raise Bad("signal: killed")
    server = f"https://{join.endpoint}"
    files = machine.files
    for folder in (KUBERNETES + "\\pki", KUBERNETES + "\\manifests", KUBELET):
        files.make_folders(folder)
    files.write(f"{KUBERNETES}\\pki\\ca.crt", authority.encode())
    files.write(
        f"{KUBERNETES}\\bootstrap-kubelet.conf", kubeconfig_text(server, authority, token=join.token).encode(), 0o600
    )
    instance = knowledge.kubernetes(version).instance_config
    config = dict(_section(api.cluster_configuration(), "KubeletConfiguration"))
    # What kubeadm changes for Windows: no resolv.conf, drive letters on two paths.
    config["resolvConf"] = ""
    config["staticPodPath"] = f"{KUBERNETES}\\manifests"
    config.setdefault("authentication", {}).setdefault("x509", {})["clientCAFile"] = f"{KUBERNETES}\\pki\\ca.crt"
    if instance:
        document = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
                    "containerRuntimeEndpoint": join.socket}  # fmt: skip
        files.write(f"{KUBELET}\\instance-config.yaml", yaml.safe_dump(document).encode())
        config["containerRuntimeEndpoint"] = join.socket
    call.out(f'[kubelet-start] Writing kubelet configuration to file "{KUBELET}\\config.yaml"')
    files.write(f"{KUBELET}\\config.yaml", yaml.safe_dump(config).encode())
    files.write(f"{KUBELET}\\kubeadm-flags.env", _flags(machine, join, version).encode())
    call.out("[kubelet-start] Starting the kubelet")
    _start_kubelet(machine)
    files.remove(f"{KUBERNETES}\\bootstrap-kubelet.conf")
    register(machine)
    call.out("\nThis node has joined the cluster:\n* Certificate signing request was sent to apiserver and a response"
             " was received.\n* The Kubelet was informed of the new secure connection details.")  # fmt: skip


def _flags(machine: WindowsMachine, join: Join, version: str) -> str:
    """kubeadm-flags.env as this kubeadm writes it (kubernetes cmd/kubeadm/app/phases/kubelet/flags.go)."""
    instance, pause = knowledge.kubernetes(version).instance_config, knowledge.kubeadm_pause_flag(version)
    words = dict(join.arguments)
    if not instance:
        words.setdefault("container-runtime-endpoint", join.socket)
    if pause:
        words.setdefault("pod-infra-container-image", pause)
    if join.name != machine.host_name:
        words.setdefault("hostname-override", join.name)
    if join.taints:
        words.setdefault("register-with-taints", ",".join(join.taints))
    line = " ".join(f"--{name}={value}" for name, value in sorted(words.items()))
    return f'KUBELET_KUBEADM_ARGS="{line}"\n'


def _section(documents: Mapping[str, object], kind: str) -> Mapping[str, Any]:
    found = documents.get(kind, {})
    return found if isinstance(found, dict) else {}


def _tell_checks(call: Program) -> None:
    """The log lines of the pre-flight checks, from ``--v=1`` on (kubernetes cmd/kubeadm/app/preflight/checks.go)."""
    moment = datetime.fromtimestamp(call.machine.clock(), UTC)
    checks = [
        *(f"validating the existence of file {KUBERNETES}\\{name}" for name in _MUST_NOT_BE),
        f"validating the existence and emptiness of directory {KUBERNETES}\\manifests",
        "checking whether the given node name is valid and reachable using net.LookupHost",
        "validating availability of port 10250",
        "validating the container runtime",
        "validating the presence of executable xcopy",
        "running all checks",
        "validating kubelet version",
        'validating if the "kubelet" service is enabled and active',
        "validating if the firewall is enabled and active",
    ]
    for text in checks:
        call.err(f"I{moment:%m%d %H:%M:%S.%f}    4711 checks.go:0] {text}")


def _preflight(call: Program, join: Join) -> None:
    machine, errors = call.machine, []
    for name in _MUST_NOT_BE:
        if machine.files.exists(f"{KUBERNETES}\\{name}"):
            spelled = f"{KUBERNETES}\\{name}".replace("\\", "-").replace(":", "")
            errors.append(f"[ERROR FileAvailable-{spelled}]: {KUBERNETES}\\{name} already exists")
    if services(machine).get("kubelet", {}).get("state") == "Running":
        errors.append("[ERROR Port-10250]: Port 10250 is in use")
    if join.socket not in ENDPOINTS:
        errors.append(f"[ERROR CRI]: container runtime is not running: no such endpoint {join.socket}")
    elif fault := cri_fault(machine):
        errors.append(f"[ERROR CRI]: could not connect to the container runtime: {fault}")
    if call.process.find_program("xcopy") is None:
        errors.append("[ERROR FileExisting-xcopy]: xcopy not found in system path")
    if call.process.find_program("kubelet") is None:
        errors.append("[ERROR KubeletVersion]: couldn't get kubelet version: cannot execute 'kubelet --version':"
                      " executable file not found in %PATH%")  # fmt: skip
    if errors:
        raise Bad("error execution phase preflight: [preflight] Some fatal errors occurred:\n\t" + "\n\t".join(errors))
    if "kubelet" not in services(machine):
        call.err("\t[WARNING Service-Kubelet]: kubelet service does not exist")


def _discover(call: Program, join: Join) -> ClusterApi:
    host, _, port = join.endpoint.rpartition(":")
    try:
        api = api_at(call.machine.neighbours, host, int(port or 6443)) if port.isdigit() else None
    except TimeoutError:
        raise Bad(f'{_UNKNOWN}: Get "https://{join.endpoint}": context deadline exceeded') from None
    if api is None:
        raise Bad(f'{_UNKNOWN}: Get "https://{join.endpoint}": connectex: No connection could be made'
                  " because the target machine actively refused it.")  # fmt: skip
    return api


def _judge_time(authority: str, moment: float) -> None:
    """The cluster's certificates against this machine's clock."""
    certificate = x509.load_pem_x509_certificate(authority.encode())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    here = datetime.fromtimestamp(moment, UTC)
    if not begin <= here <= end:
        side = f"before {begin:%Y-%m-%dT%H:%M:%SZ}" if here < begin else f"after {end:%Y-%m-%dT%H:%M:%SZ}"
        raise Bad(f"{_UNKNOWN}: tls: failed to verify certificate: x509: certificate has expired or is not yet valid:"
                  f" current time {here:%Y-%m-%dT%H:%M:%SZ} is {side}")  # fmt: skip


def _skew(call: Program, api: ClusterApi) -> None:
    """kubeadm's and the kubelet's versions against the control plane's."""
    path = call.process.find_program("kubelet") or ""
    what = read_standin(call.machine.files.read(path))
    if what is None or what.program != "kubelet":
        raise Bad("error execution phase preflight: couldn't get kubelet version: exit status 1")
    plane = knowledge.parse(api.kubernetes_version.removeprefix("v"))
    node = knowledge.parse(what.version.removeprefix("v"))
    own = knowledge.parse(call.what.version.removeprefix("v"))
    if node.minor > plane.minor or node.minor < plane.minor - 3:
        raise Bad(f"error execution phase preflight: [ERROR KubeletVersion]: the kubelet version {what.version} does"
                  f" not fit the control plane {api.kubernetes_version}")  # fmt: skip
    if own.minor not in (plane.minor, plane.minor + 1):
        raise Bad("error execution phase preflight: this version of kubeadm only supports deploying clusters with"
                  f" the control plane version >= {own.major}.{own.minor - 1}.0,"
                  f" found {api.kubernetes_version}")  # fmt: skip


def _start_kubelet(machine: WindowsMachine) -> None:
    try:
        if services(machine).get("kubelet", {}).get("state") == "Running":
            stop(machine, "kubelet", force=True)
        start(machine, "kubelet")
    except ServiceError as error:
        raise Bad(f"error execution phase kubelet-start: couldn't start the kubelet service: {error}") from error
    if not machine.files.exists(f"{KUBERNETES}\\kubelet.conf"):
        raise Bad("error execution phase kubelet-wait-bootstrap: timed out waiting for the condition: kubelet.conf was"
                  " not written; the kubelet's log says why")  # fmt: skip
