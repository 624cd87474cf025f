"""What the API refuses in a manifest, as far as our own manifests could get it wrong."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

Object = dict[str, Any]
_WORKLOADS = ("DaemonSet", "Deployment")
_POD = frozenset(
    [
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "os",
        "priorityClassName",
        "restartPolicy",
        "runtimeClassName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
        "hostname",
    ]
)
_CONTAINER = frozenset(
    [
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "stdin",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeMounts",
        "workingDir",
    ]
)


class Invalid(Exception):
    """The API's message."""


def judge(document: Object) -> None:
    """Look at a manifest as the API server does.

    Raises:
        Invalid: it is refused.
    """
    kind = document.get("kind")
    if kind in _WORKLOADS:
        _workload(document)
    elif kind == "Pod":
        _pod(document["metadata"]["name"], document.get("spec") or {}, "spec")
    elif kind == "Installation":
        _installation(document)
    elif kind == "ConfigMap":
        for key, value in (document.get("data") or {}).items():
            if not isinstance(value, str):
                raise Invalid(
                    f'Error from server (BadRequest): ConfigMap in version "v1" cannot be handled as a '
                    f"ConfigMap: json: cannot unmarshal into Go struct field ConfigMap.data of type string "
                    f"({key})"
                )


def _workload(document: Object) -> None:
    name, spec = document["metadata"]["name"], document.get("spec") or {}
    labels = (spec.get("template", {}).get("metadata") or {}).get("labels", {})
    wanted = (spec.get("selector") or {}).get("matchLabels", {})
    if not wanted or not wanted.items() <= labels.items():
        raise Invalid(
            f'The {document["kind"]} "{name}" is invalid: spec.template.metadata.labels: Invalid value: '
            "`selector` does not match template `labels`"
        )
    _pod(name, spec["template"].get("spec") or {}, "spec.template.spec")


def _pod(name: str, spec: Object, where: str) -> None:
    unknown = sorted(set(spec) - _POD)
    if unknown:
        raise Invalid(f'Error from server (BadRequest): strict decoding error: unknown field "{where}.{unknown[0]}"')
    containers = spec.get("containers") or []
    if not containers:
        raise Invalid(f'"{name}" is invalid: {where}.containers: Required value')
    for container in containers:
        strange = sorted(set(container) - _CONTAINER)
        if strange:
            raise Invalid(
                f"Error from server (BadRequest): strict decoding error: unknown field "
                f'"{where}.containers[0].{strange[0]}"'
            )
        if not container.get("image"):
            raise Invalid(f'"{name}" is invalid: {where}.containers[0].image: Required value')
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                raise Invalid(
                    f'"{name}" is invalid: {where}.containers[0].volumeMounts[0].name: Not found: "{mount["name"]}"'
                )
    options = (spec.get("securityContext") or {}).get("windowsOptions") or {}
    if options.get("hostProcess") and not spec.get("hostNetwork"):
        raise Invalid(
            f'"{name}" is invalid: {where}.hostNetwork: Invalid value: false: hostNetwork must be '
            f"true if pod contains any hostProcess containers"
        )


def _installation(document: Object) -> None:
    spec = document.get("spec") or {}
    network = spec.get("calicoNetwork") or {}
    choices = {
        "bgp": ("Enabled", "Disabled"),
        "linuxDataplane": ("Iptables", "BPF", "VPP", "Nftables"),
        "windowsDataplane": ("HNS", "Disabled"),
    }
    for key, allowed in choices.items():
        if key in network and network[key] not in allowed:
            raise Invalid(
                f'The Installation "default" is invalid: spec.calicoNetwork.{key}: Unsupported value: '
                f'"{network[key]}": '
                f"supported values: {', '.join(allowed)}"
            )
    for pool in network.get("ipPools") or []:
        try:
            ip_network(pool["cidr"])
        except (ValueError, KeyError):
            raise Invalid(
                'The Installation "default" is invalid: spec.calicoNetwork.ipPools[0].cidr: Invalid value'
            ) from None
