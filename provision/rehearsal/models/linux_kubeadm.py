"""kubeadm on Linux: its preflight, init, join, tokens, reset."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

import yaml

from provision import knowledge
from provision.rehearsal.files import now
from provision.rehearsal.models.cluster import ca_hash, make_ca
from provision.rehearsal.models.cluster_addons import addons
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_containerd import images, pull, runc_problem, sandbox
from provision.rehearsal.models.linux_kubeadm_config import BadConfig, Config, read_config
from provision.rehearsal.models.linux_kubeadm_images import (
    STATIC,
    images_of,
    pull_images,
    unpulled,
    version_and_repository,
)
from provision.rehearsal.models.linux_kubeadm_patches import patched
from provision.rehearsal.models.linux_kubeadm_phases import mark_control_plane
from provision.rehearsal.models.linux_kubeadm_preflight import KUBELET, common, refuse
from provision.rehearsal.models.linux_program import Failed, Usage, options, path_of
from provision.rehearsal.models.linux_unit_files import UnitError
from provision.rehearsal.models.neighbours import ClusterApi, JoinRefused, api_at
from provision.rehearsal.shell import Call, Unsupported

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

KUBERNETES = "/etc/kubernetes"
_CERTIFICATES = (
    "admin.conf", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "controller-manager.conf",
    "etcd-healthcheck-client", "etcd-peer", "etcd-server", "front-proxy-client", "scheduler.conf", "super-admin.conf",
)  # fmt: skip


def kubeadm(box: LinuxBox, call: Call) -> int:
    flags = ["--skip-token-print", "-f|--force", "--print-join-command"]
    values = ["--config", "--kubeconfig", "--ttl", "--description", "--cri-socket", "-o|--output", "--v|-v"]
    values += ["--token", "--discovery-token-ca-cert-hash", "--node-name", "--ignore-preflight-errors"]
    given = options(call, flags, values, usage=1)
    words = given.operands
    if words == ["version"]:
        short = given.get("-o") == "short"
        call.out(f"{box.version}\n" if short else f'kubeadm version: &version.Info{{GitVersion:"{box.version}"}}\n')
        return 0
    if box.user != "root":
        raise Failed(
            "error execution phase preflight: [preflight] Some fatal errors occurred:\n\t[ERROR "
            "IsPrivilegedUser]: user is not running as root"
        )
    try:
        if words == ["init"]:
            return _init(box, call, _config(box, call, given.get("--config")))
        if words == ["init", "phase", "mark-control-plane"]:
            return mark_control_plane(box, call, _config(box, call, given.get("--config")))
        if words[:1] == ["join"]:
            return _join(box, call, _config(box, call, given.get("--config")))
        if words == ["config", "images", "pull"]:
            return pull_images(box, call, _config(box, call, given.get("--config")))
        if words == ["config", "images", "list"]:
            call.out("".join(f"{name}\n" for name in images_of(_config(box, call, given.get("--config")), box.version)))
            return 0
        if words == ["config", "validate"]:
            _config(box, call, given.get("--config"))
            call.out("ok\n")
            return 0
    except BadConfig as error:
        raise Failed(f"{error}\nTo see the stack trace of this error execute with --v=5 or higher") from None
    if words == ["reset"]:
        if "--force" not in given.given and "-f" not in given.given:
            raise Failed('Aborted reset operation: answer "y" was not given')
        return _reset(box, call)
    if words[:2] == ["token", "create"]:
        return _token(
            box, call, given.get("--ttl", "24h0m0s"), given.get("--description"), "--print-join-command" in given
        )
    if words == ["certs", "check-expiration"]:
        return _expiration(box, call)
    raise Unsupported(" ".join(call.argv), 0)


def _config(box: LinuxBox, call: Call, name: str) -> Config:
    if not name:
        raise Unsupported("kubeadm without --config", 0)
    try:
        text = box.files.read(path_of(call, name)).decode()
    except FileNotFoundError:
        raise Failed(f'error: unable to read config from "{name}": open {name}: no such file or directory') from None
    return read_config(text, box.version)


def _init(box: LinuxBox, call: Call, config: Config) -> int:
    machine = box.machine
    init, cluster = config.documents.get("InitConfiguration"), config.documents.get("ClusterConfiguration")
    if init is None or cluster is None:
        raise BadConfig("no InitConfiguration or ClusterConfiguration kind was found in the YAML file")
    version, _ = version_and_repository(config, box.version)
    call.out(f"[init] Using Kubernetes version: {version}\n[preflight] Running pre-flight checks\n")
    wanted, own = knowledge.parse(version.lstrip("v")), knowledge.parse(box.version.lstrip("v"))
    if wanted.minor > own.minor:
        raise Failed(
            f"this version of kubeadm only supports deploying clusters with the control plane "
            f"version >= 1.{own.minor - 1}.0. Current version: {version}"
        )
    if wanted.minor < own.minor - 1:
        raise Failed(
            f"this version of kubeadm only supports deploying clusters with the control plane "
            f"version >= 1.{own.minor - 1}.0. Current version: {version}"
        )
    problems = common(box, call, config)
    address = str(init.get("localAPIEndpoint", {}).get("advertiseAddress", ""))
    if address not in machine.addresses():
        problems.append(f"AdvertiseAddress]: {address or 'no address'} is on no card that is up")
    for name in STATIC:
        path = f"{KUBERNETES}/manifests/{name}.yaml"
        if box.files.exists(path):
            problems.append(f"FileAvailable--etc-kubernetes-manifests-{name}.yaml]: {path} already exists")
    if cluster_runs(machine):
        problems += [f"Port-{port}]: Port {port} is in use" for port in (6443, 10250)]
    if box.files.is_folder("/var/lib/etcd") and box.files.list("/var/lib/etcd"):
        problems.append("DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty")
    if int(machine.spec.get("cpus", 2)) < 2:
        problems.append("NumCPU]: the number of available CPUs 1 is less than the required 2")
    if int(machine.spec.get("memory", 4096)) < 1700:
        problems.append(f"Mem]: the system RAM ({machine.spec['memory']} MB) is less than the minimum 1700 MB")
    refuse(problems)
    refuse(unpulled(box, images_of(config, box.version)))
    if problem := runc_problem(box):
        raise Failed(f"error execution phase wait-control-plane: failed to create containerd task: {problem}")
    _certificates(box, call, address, config)
    _manifests(box, config)
    _start_kubelet(box, call, config)
    if lacking := images(machine).lacks([sandbox(machine)]):
        # kubelet pulls the pause image itself, with the first static pod.
        try:
            pull(box, lacking[0])
        except Failed as error:
            raise Failed(f"error execution phase wait-control-plane: failed to create pod sandbox: {error}") from None
    call.out("[wait-control-plane] Waiting for the kubelet to boot up the control plane as static Pods\n")
    box.latency("kubeadm-init")
    if box.killed.is_set():
        return 137
    # What the model has no clock for: the API server is up when kubeadm says so.
    documents = {**config.documents}
    machine.cluster.create(documents, version, address)
    report = machine.node()
    if report is None:
        raise Failed("[kubelet-check] The kubelet is not healthy after 4m0s")
    with machine.state.change() as data:
        data["units"][KUBELET]["since"] = now() - 3600
        machine.cluster.register(machine, report)
        addons(machine.cluster)
        for token in init.get("bootstrapTokens") or [{}]:
            machine.cluster.create_token(
                _seconds(str(token.get("ttl", "24h0m0s"))), str(token.get("description", "")), token.get("token")
            )
    call.out("\nYour Kubernetes control-plane has initialized successfully!\n")
    return 0


def cluster_runs(machine: LinuxMachine) -> bool:
    """Whether a control plane answers here already."""
    return machine.cluster.problem() is None


def _certificates(box: LinuxBox, call: Call, address: str, config: Config) -> None:
    files = box.files
    files.make_folders(f"{KUBERNETES}/pki/etcd")
    # kubeadm writes the key, then the certificate, and takes what is there for the user's own.
    halves = [files.exists(f"{KUBERNETES}/pki/ca.{half}") for half in ("key", "crt")]
    if any(halves) and not all(halves):
        raise Failed(
            "error execution phase certs/ca: failure loading ca certificate: couldn't load the certificate file "
            f"{KUBERNETES}/pki/ca.crt: open {KUBERNETES}/pki/ca.crt: no such file or directory"
        )
    if not files.exists(f"{KUBERNETES}/pki/ca.crt"):
        call.out('[certs] Generating "ca" certificate and key\n')
        pem = make_ca("kubernetes")
        with box.machine.state.change() as data:
            data["pki"] = {"ca": pem, "until": now() + 365 * 86400}
            files.write(f"{KUBERNETES}/pki/ca.crt", pem.encode())
            files.write(f"{KUBERNETES}/pki/ca.key", b"hybrid rehearsal: key\n", 0o600)
    pem = files.read(f"{KUBERNETES}/pki/ca.crt").decode()
    for name, user in (
        ("admin", "kubernetes-admin"),
        ("super-admin", "kubernetes-super-admin"),
        ("kubelet", f"system:node:{config.node_name}"),
        ("controller-manager", "system:kube-controller-manager"),
        ("scheduler", "system:kube-scheduler"),
    ):
        text = kubeconfig(f"https://{address}:6443", pem, user, config.cluster_name)
        files.write(f"{KUBERNETES}/{name}.conf", text.encode(), 0o600)


def kubeconfig(server: str, pem: str, user: str, cluster: str = "kubernetes") -> str:
    """A kubeconfig with certificates, as kubeadm writes it."""
    proof = b64encode(f"hybrid rehearsal: {user}\n".encode()).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster,
                    "cluster": {"certificate-authority-data": b64encode(pem.encode()).decode(), "server": server},
                }
            ],
            "contexts": [{"name": f"{user}@{cluster}", "context": {"cluster": cluster, "user": user}}],
            "current-context": f"{user}@{cluster}",
            "users": [{"name": user, "user": {"client-certificate-data": proof, "client-key-data": proof}}],
        },
        sort_keys=False,
    )


def _manifests(box: LinuxBox, config: Config) -> None:
    box.files.make_folders(f"{KUBERNETES}/manifests")
    for name in STATIC:
        image = next(one for one in images_of(config, box.version) if f"/{name}:" in one)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"hostNetwork": True, "containers": [{"name": name, "image": image, "command": [name]}]},
        }
        pod = patched(box, config, name, pod)
        box.files.write(f"{KUBERNETES}/manifests/{name}.yaml", yaml.safe_dump(pod).encode(), 0o600)
    box.files.make_folders("/var/lib/etcd/member")


def _start_kubelet(box: LinuxBox, call: Call, config: Config) -> None:
    files = box.files
    files.make_folders("/var/lib/kubelet/pki")
    settings = dict(config.documents.get("KubeletConfiguration") or {})
    settings.setdefault("cgroupDriver", "systemd")
    settings["containerRuntimeEndpoint"] = config.socket
    settings.setdefault("staticPodPath", f"{KUBERNETES}/manifests")
    settings = patched(box, config, "kubeletconfiguration", settings)
    files.write("/var/lib/kubelet/config.yaml", yaml.safe_dump(settings).encode())
    files.write("/var/lib/kubelet/instance-config.yaml", f"containerRuntimeEndpoint: {config.socket}\n".encode())
    arguments = dict(config.kubelet_arguments)
    arguments.setdefault("hostname-override", config.node_name)
    if config.taints:
        arguments["register-with-taints"] = ",".join(config.taints)
    flags = " ".join(f"--{name}={value}" for name, value in arguments.items())
    files.write("/var/lib/kubelet/kubeadm-flags.env", f'KUBELET_KUBEADM_ARGS="{flags}"\n'.encode())
    call.out("[kubelet-start] Starting the kubelet\n")
    units = box.machine.units
    try:
        if units.active(KUBELET) != "inactive":
            units.stop(KUBELET)
        units.start(KUBELET)
    except UnitError as error:
        call.err(f"\t[WARNING] {error}\n")
    if not units.is_active(KUBELET):
        log = "\n".join(text for _, text in units.journal(KUBELET)[-3:])
        raise Failed(
            f"[kubelet-check] The kubelet is not healthy after 4m0s\n{log}\nerror: error execution "
            f"phase wait-control-plane: failed while waiting for the kubelet to start"
        )


def _join(box: LinuxBox, call: Call, config: Config) -> int:
    machine = box.machine
    if "JoinConfiguration" not in config.documents:
        raise BadConfig("no JoinConfiguration kind was found in the YAML file")
    call.out("[preflight] Running pre-flight checks\n")
    problems = common(box, call, config)
    for path in (f"{KUBERNETES}/kubelet.conf", f"{KUBERNETES}/bootstrap-kubelet.conf"):
        if box.files.exists(path):
            problems.append(f"FileAvailable-{path.replace('/', '-')}]: {path} already exists")
    if machine.units.is_active(KUBELET):
        problems.append("Port-10250]: Port 10250 is in use")
    refuse(problems)
    host, _, port = config.endpoint.partition(":")
    api: ClusterApi | None
    try:
        api = api_at(machine.neighbours, host, int(port or 6443))
    except TimeoutError:
        api = None
    if api is None:
        raise Failed(
            f"error execution phase preflight: couldn't validate the identity of the API Server: "
            f"Get "
            f'"https://{config.endpoint}/api/v1/namespaces/kube-public/configmaps/cluster-info": '
            f"dial tcp {config.endpoint}: connect: connection refused"
        )
    try:
        pem = api.cluster_info(config.token, config.ca_hashes, machine.clock())
    except JoinRefused as error:
        raise Failed(f"error execution phase preflight: {error}") from None
    kubelet = knowledge.parse(box.identify(box.which("kubelet") or "").version.lstrip("v"))
    server = knowledge.parse(api.kubernetes_version.lstrip("v"))
    if kubelet.minor > server.minor or kubelet.minor < server.minor - 3:
        raise Failed(
            f"error execution phase preflight: [ERROR KubeletVersion]: kubelet {kubelet} and "
            f"control plane {server} are too far apart"
        )
    if api.has_node(config.node_name):
        raise Failed(
            f'error execution phase kubelet-start: a Node with name "{config.node_name}" and '
            f'status "Ready" already exists in the cluster. You must delete the existing Node or '
            f"change the name of this new joining Node"
        )
    documents = api.cluster_configuration()
    config.documents["KubeletConfiguration"] = documents.get("KubeletConfiguration")  # type: ignore[assignment]
    box.files.make_folders(f"{KUBERNETES}/pki")
    box.files.write(f"{KUBERNETES}/pki/ca.crt", pem.encode())
    text = kubeconfig(f"https://{config.endpoint}", pem, f"system:node:{config.node_name}")
    box.latency("linux-kubeadm-join")
    if box.killed.is_set():
        return 137
    box.files.write(f"{KUBERNETES}/kubelet.conf", text.encode(), 0o600)
    _start_kubelet(box, call, config)
    report = machine.node()
    if report is None:
        raise Failed("[kubelet-check] The kubelet is not healthy after 4m0s")
    api.register(machine, report)
    call.out("This node has joined the cluster\n")
    return 0


def _reset(box: LinuxBox, call: Call) -> int:
    """Ends kubelet and takes away what init and join wrote; the CNI's configuration stays, as kubeadm warns."""
    box.latency("kubeadm-reset")
    machine = box.machine
    if machine.units.active(KUBELET) != "inactive":
        machine.units.stop(KUBELET)
    for path in (f"{KUBERNETES}/manifests", f"{KUBERNETES}/pki", "/var/lib/etcd"):
        if box.files.is_folder(path):
            box.files.remove_tree(path)
    box.files.make_folders(f"{KUBERNETES}/manifests")
    box.files.make_folders(f"{KUBERNETES}/pki")
    for name in ("admin", "super-admin", "kubelet", "bootstrap-kubelet", "controller-manager", "scheduler"):
        if box.files.exists(f"{KUBERNETES}/{name}.conf"):
            box.files.remove(f"{KUBERNETES}/{name}.conf")
    for name in ("config.yaml", "kubeadm-flags.env", "instance-config.yaml"):
        if box.files.exists(f"/var/lib/kubelet/{name}"):
            box.files.remove(f"/var/lib/kubelet/{name}")
    with machine.state.change() as data:
        data.pop("etcd", None)
        data.pop("pki", None)
    call.out("The reset process does not perform cleanup of CNI plugin configuration\n")
    return 0


def _seconds(text: str) -> float:
    found = re.findall(r"([\d.]+)(h|m|s)", text)
    if text != "0" and "".join(a + b for a, b in found) != text:
        raise Usage(f'invalid argument "{text}" for "--ttl" flag: time: invalid duration "{text}"')
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in found)


def _token(box: LinuxBox, call: Call, ttl: str, description: str, whole: bool) -> int:
    cluster = box.machine.cluster
    problem = cluster.problem()
    if problem:
        raise Failed(f"failed to load admin kubeconfig or reach the API: {problem}")
    token = cluster.create_token(_seconds(ttl), description)
    with box.machine.state.reading():
        address, pem = cluster.doc["address"], cluster.doc["ca"]
    text = f"kubeadm join {address}:6443 --token {token} --discovery-token-ca-cert-hash {ca_hash(pem)} \n"
    call.out(text if whole else f"{token}\n")
    return 0


def _expiration(box: LinuxBox, call: Call) -> int:
    if not box.files.exists(f"{KUBERNETES}/pki/ca.crt"):
        raise Failed(
            "error: couldn't load the CA certificate: open /etc/kubernetes/pki/ca.crt: no such file or directory"
        )
    with box.machine.state.reading() as data:
        until = data["pki"]["until"]
    left = int((until - box.clock()) // 86400)
    shown = f"{left}d" if left > 0 else "<invalid>"
    call.out(
        "CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE "
        "AUTHORITY   EXTERNALLY MANAGED\n"
    )
    from datetime import UTC, datetime

    stamp = datetime.fromtimestamp(until, UTC).strftime("%b %d, %Y %H:%M UTC")
    for name in _CERTIFICATES:
        call.out(f"{name:<26} {stamp}   {shown:<15} {'ca':<23} no      \n")
    return 0


register({"kubeadm": kubeadm})
