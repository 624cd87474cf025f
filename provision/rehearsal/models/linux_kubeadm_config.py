"""kubeadm's configuration files, read as strictly as kubeadm reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from provision import knowledge
from provision.rehearsal import yaml_text

_NODE = {
    "name",
    "criSocket",
    "taints",
    "kubeletExtraArgs",
    "ignorePreflightErrors",
    "imagePullPolicy",
    "imagePullSerial",
}
_COMPONENT = {"extraArgs", "extraVolumes", "extraEnvs"}
# kind -> known fields by API version; "" holds those of all.  Source: kubeadm's API reference, v1beta3 and v1beta4.
_FIELDS: dict[str, dict[str, set[str]]] = {
    "InitConfiguration": {
        "": {"bootstrapTokens", "nodeRegistration", "localAPIEndpoint", "certificateKey", "skipPhases", "patches"},
        "v1beta4": {"dryRun", "timeouts"},
    },
    "ClusterConfiguration": {
        "": {"etcd", "networking", "kubernetesVersion", "controlPlaneEndpoint", "apiServer", "controllerManager",
             "scheduler", "dns", "certificatesDir", "imageRepository", "featureGates", "clusterName"},
        "v1beta4": {"proxy", "encryptionAlgorithm", "certificateValidityPeriod", "caCertificateValidityPeriod"},
    },
    "JoinConfiguration": {
        "": {"nodeRegistration", "caCertPath", "discovery", "controlPlane", "skipPhases", "patches"},
        "v1beta4": {"dryRun", "timeouts"},
    },
}  # fmt: skip
_INNER = {
    "nodeRegistration": _NODE,
    "localAPIEndpoint": {"advertiseAddress", "bindPort"},
    "networking": {"serviceSubnet", "podSubnet", "dnsDomain"},
    "apiServer": _COMPONENT | {"certSANs", "timeoutForControlPlane"},
    "controllerManager": _COMPONENT,
    "scheduler": _COMPONENT,
    "etcd": {"local", "external"},
    "patches": {"directory"},
    "discovery": {"bootstrapToken", "file", "tlsBootstrapToken", "timeout"},
}
_OTHER = {
    "KubeletConfiguration": "kubelet.config.k8s.io/v1beta1",
    "KubeProxyConfiguration": "kubeproxy.config.k8s.io/v1alpha1",
}


class BadConfig(Exception):
    """kubeadm does not take this configuration."""


@dataclass
class Config:
    """The documents of a configuration by kind, and what init and join both take from them."""

    documents: dict[str, dict[str, Any]]
    api: str
    node_name: str = ""
    socket: str = "unix:///var/run/containerd/containerd.sock"
    kubelet_arguments: dict[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    cluster_name: str = "kubernetes"
    endpoint: str = ""
    token: str = ""
    ca_hashes: tuple[str, ...] = ()
    patches: str = ""


def read_config(text: str, version: str) -> Config:
    """Read and judge a configuration for a kubeadm of this version.

    Raises:
        BadConfig: with kubeadm's reason.
    """
    try:
        documents = yaml_text.load_all(text)
    except yaml.YAMLError as error:
        raise BadConfig(f"error converting YAML to JSON: yaml: {error}") from None
    found: dict[str, dict[str, Any]] = {}
    api = ""
    for document in documents:
        kind, group = str(document.get("kind", "")), str(document.get("apiVersion", ""))
        if kind in _OTHER:
            if group != _OTHER[kind]:
                raise BadConfig(f"no kind {kind!r} is registered for version {group!r}")
        elif kind in _FIELDS:
            api = group.removeprefix("kubeadm.k8s.io/")
            _judge(document, kind, group, version)
        else:
            raise BadConfig(f'error: kind "{kind}" is not supported by kubeadm')
        if kind in found:
            raise BadConfig(f'invalid configuration: kind "{kind}" is specified twice in YAML file')
        found[kind] = document
    if not api:
        raise BadConfig("no kubeadm.k8s.io document was found in the YAML file")
    return _config(found, api)


def _judge(document: dict[str, Any], kind: str, group: str, version: str) -> None:
    api = group.removeprefix("kubeadm.k8s.io/")
    known = knowledge.kubernetes(version.lstrip("v")).kubeadm_apis
    if api not in known:
        raise BadConfig(
            f'your configuration file uses an old API spec: "{group}" (kind: "{kind}"). Please use kubeadm {version} '
            "instead with one of " + ", ".join(known)
        )
    allowed = {"apiVersion", "kind", *_FIELDS[kind][""], *_FIELDS[kind].get(api, set())}
    _strict(document, allowed, kind, "")
    for name, inner in _INNER.items():
        part = document.get(name)
        if part is not None:
            _strict(part, inner, kind, name + ".")
    _arguments(
        (document.get("nodeRegistration") or {}).get("kubeletExtraArgs"), api, "nodeRegistration.kubeletExtraArgs"
    )
    for name in ("apiServer", "controllerManager", "scheduler"):
        _arguments((document.get(name) or {}).get("extraArgs"), api, f"{name}.extraArgs")


def _strict(part: Any, allowed: set[str], kind: str, where: str) -> None:
    if not isinstance(part, dict):
        raise BadConfig(f"error unmarshaling configuration {kind}: {where.rstrip('.')} is no object")
    for key in part:
        if key not in allowed:
            raise BadConfig(
                f'error unmarshaling configuration {kind}: strict decoding error: unknown field "{where}{key}"'
            )


def _arguments(given: Any, api: str, where: str) -> dict[str, str]:
    """Arguments by name: a table in v1beta3, a list of names and values in v1beta4."""
    if given is None:
        return {}
    if (api == "v1beta3") != isinstance(given, dict):
        wanted = "map[string]string" if api == "v1beta3" else "[]v1beta4.Arg"
        raise BadConfig(f"json: cannot unmarshal {where} into Go struct field of type {wanted}")
    if isinstance(given, dict):
        return {str(key): str(value) for key, value in given.items()}
    for entry in given:
        _strict(entry, {"name", "value"}, where, where + ".")
        if not isinstance(entry.get("value"), str):
            raise BadConfig(f"json: cannot unmarshal {where}.value into Go struct field Arg.value of type string")
    return {entry["name"]: entry["value"] for entry in given}


def _config(found: dict[str, dict[str, Any]], api: str) -> Config:
    config = Config(found, api)
    registration = (found.get("InitConfiguration") or found.get("JoinConfiguration") or {}).get(
        "nodeRegistration"
    ) or {}
    folder = (found.get("InitConfiguration") or found.get("JoinConfiguration") or {}).get("patches") or {}
    config.patches = str(folder.get("directory", ""))
    config.node_name = str(registration.get("name", ""))
    config.socket = str(registration.get("criSocket", config.socket))
    config.kubelet_arguments = _arguments(registration.get("kubeletExtraArgs"), api, "kubeletExtraArgs")
    default = (
        []
        if "JoinConfiguration" in found
        else [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    )
    taints = registration.get("taints")
    config.taints = tuple(
        f"{t['key']}={t.get('value') or ''}:{t['effect']}" for t in (default if taints is None else taints)
    )
    config.cluster_name = str((found.get("ClusterConfiguration") or {}).get("clusterName", "kubernetes"))
    discovery = (found.get("JoinConfiguration") or {}).get("discovery") or {}
    token = discovery.get("bootstrapToken") or {}
    config.endpoint = str(token.get("apiServerEndpoint", ""))
    config.token = str(token.get("token") or discovery.get("tlsBootstrapToken") or "")
    config.ca_hashes = tuple(token.get("caCertHashes") or ())
    if "JoinConfiguration" in found and not config.ca_hashes and not token.get("unsafeSkipCAVerification"):
        raise BadConfig(
            "discovery.bootstrapToken.caCertHashes: Invalid value: using token-based discovery "
            "without caCertHashes can "
            "be unsafe. Set unsafeSkipCAVerification as true in your kubeadm config file to continue"
        )
    return config
