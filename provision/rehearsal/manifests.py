"""Calico's manifests as the rehearsal publishes them: the documents that the cluster's model acts upon.

The kinds and names are those of Calico 3.32's ``manifests`` folder (32 CRDs; the operator's namespace,
account, roles and Deployment); the schemas inside are left open, because the model checks what it uses.
"""

from __future__ import annotations

import yaml

CALICO_FILES = frozenset(
    {"v1_crd_projectcalico_org.yaml", "operator-crds.yaml", "tigera-operator.yaml", "custom-resources.yaml"}
)

# group -> plural: (kind, namespaced)
_CRDS: dict[str, dict[str, tuple[str, bool]]] = {
    "crd.projectcalico.org": {
        "bgpconfigurations": ("BGPConfiguration", False),
        "bgpfilters": ("BGPFilter", False),
        "bgppeers": ("BGPPeer", False),
        "blockaffinities": ("BlockAffinity", False),
        "caliconodestatuses": ("CalicoNodeStatus", False),
        "clusterinformations": ("ClusterInformation", False),
        "felixconfigurations": ("FelixConfiguration", False),
        "globalnetworkpolicies": ("GlobalNetworkPolicy", False),
        "globalnetworksets": ("GlobalNetworkSet", False),
        "hostendpoints": ("HostEndpoint", False),
        "ipamblocks": ("IPAMBlock", False),
        "ipamconfigs": ("IPAMConfig", False),
        "ipamhandles": ("IPAMHandle", False),
        "ippools": ("IPPool", False),
        "ipreservations": ("IPReservation", False),
        "kubecontrollersconfigurations": ("KubeControllersConfiguration", False),
        "networkpolicies": ("NetworkPolicy", True),
        "networksets": ("NetworkSet", True),
        "stagedglobalnetworkpolicies": ("StagedGlobalNetworkPolicy", False),
        "stagedkubernetesnetworkpolicies": ("StagedKubernetesNetworkPolicy", True),
        "stagednetworkpolicies": ("StagedNetworkPolicy", True),
        "tiers": ("Tier", False),
    },
    "policy.networking.k8s.io": {
        "adminnetworkpolicies": ("AdminNetworkPolicy", False),
        "baselineadminnetworkpolicies": ("BaselineAdminNetworkPolicy", False),
    },
    "operator.tigera.io": {
        "apiservers": ("APIServer", False),
        "gatewayapis": ("GatewayAPI", False),
        "goldmanes": ("Goldmane", False),
        "imagesets": ("ImageSet", False),
        "installations": ("Installation", False),
        "managementclusterconnections": ("ManagementClusterConnection", False),
        "tigerastatuses": ("TigeraStatus", False),
        "whiskers": ("Whisker", False),
    },
}
# Operator releases by Calico release (Calico's release notes).
_OPERATORS = {"3.32.1": "v1.42.3", "3.31.7": "v1.40.15", "3.30.7": "v1.38.13"}


def _crd(group: str, plural: str, kind: str, namespaced: bool) -> dict[str, object]:
    version = "v1"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def _operator(version: str) -> list[dict[str, object]]:
    name = "tigera-operator"
    account = {"kind": "ServiceAccount", "name": name, "namespace": name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    image = f"quay.io/tigera/operator:{_OPERATORS.get(version, 'v1.42.3')}"
    pod = {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"effect": "NoExecute", "operator": "Exists"}, {"effect": "NoSchedule", "operator": "Exists"}],
        "serviceAccountName": name,
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "containers": [
            {
                "name": name,
                "image": image,
                "command": ["operator"],
                "args": ["-manage-crds=true"],
                "envFrom": [{"configMapRef": {"name": "kubernetes-services-endpoint", "optional": True}}],
            }
        ],
    }
    labels = {"name": name, "k8s-app": name}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": name}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [{"apiGroups": ["operator.tigera.io"], "resources": ["*"], "verbs": ["*"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "subjects": [account],
            "roleRef": role,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": name, "labels": {"k8s-app": name}},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"name": name}},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


def _custom() -> list[dict[str, object]]:
    pool = {
        "name": "default-ipv4-ippool",
        "blockSize": 26,
        "cidr": "192.168.0.0/16",
        "encapsulation": "VXLANCrossSubnet",
    }
    return [
        {
            "apiVersion": "operator.tigera.io/v1",
            "kind": "Installation",
            "metadata": {"name": "default"},
            "spec": {"calicoNetwork": {"ipPools": [{**pool, "natOutgoing": "Enabled", "nodeSelector": "all()"}]}},
        },
        {"apiVersion": "operator.tigera.io/v1", "kind": "APIServer", "metadata": {"name": "default"}, "spec": {}},
    ]


def calico_manifest(version: str, file: str) -> str:
    """The text of one of `CALICO_FILES`; the first line says that it is a stand-in."""
    if file in ("v1_crd_projectcalico_org.yaml", "operator-crds.yaml"):
        documents = [_crd(g, p, k, n) for g, rows in _CRDS.items() for p, (k, n) in rows.items()]
    elif file == "tigera-operator.yaml":
        documents = _operator(version)
    else:
        documents = _custom()
    text = yaml.safe_dump_all(documents, sort_keys=False)
    return f"# hybrid stand-in: calico {version} {file}, published by the rehearsal\n{text}"
