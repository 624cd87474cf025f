"""The modelled cluster: what its etcd holds, who may join, and when its API answers.

The document lives in the control plane's state (section ``etcd``), so it survives whatever kills us; what has to
happen in time is computed from stored moments when somebody asks (`settle`).  `cluster_objects` holds the kinds and
the object store, `cluster_nodes` and `cluster_workloads` nodes and pods, `cluster_calico` the Tigera operator.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provision.rehearsal.files import now
from provision.rehearsal.models import cluster_calico, cluster_nodes, cluster_workloads
from provision.rehearsal.models.cluster_objects import Objects, moment
from provision.rehearsal.models.neighbours import JoinRefused, NodeReport

if TYPE_CHECKING:
    from provision.rehearsal.machine import Machine
    from provision.rehearsal.models.linux import LinuxMachine

CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
_ALPHABET = string.ascii_lowercase + string.digits


def make_ca(name: str) -> str:
    """A new CA certificate, PEM; nobody needs its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def ca_hash(pem: str) -> str:
    """``sha256:...`` of the certificate's public key, as kubeadm pins it."""
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Cluster:
    """Implements `neighbours.ClusterApi` on the machine that has the control plane."""

    def __init__(self, machine: LinuxMachine) -> None:
        self.machine = machine
        # HostProcess containers of this cluster's pods, by pod: threads of this process, made again after its end.
        self.containers: dict[str, cluster_workloads.Container] = {}

    # -- the document ----------------------------------------------------------------------------------------

    @property
    def doc(self) -> dict[str, Any]:
        """What etcd holds; use inside ``machine.state.change()`` or ``reading()``. Empty without a cluster."""
        return self.machine.state.section("etcd")

    @property
    def objects(self) -> Objects:
        return Objects(self.doc.setdefault("objects", {}))

    def create(self, configuration: dict[str, dict[str, Any]], version: str, address: str) -> None:
        """What `kubeadm init` leaves in etcd: the cluster's identity and its own add-ons.

        Args:
            configuration: the documents of the configuration by kind.
        """
        cluster = configuration["ClusterConfiguration"]
        with self.machine.state.change() as data:
            data["etcd"] = {
                "version": version,
                "address": address,
                "created": now(),
                "ca": data["pki"]["ca"],
                "configuration": configuration,
                "pod_cidr": cluster.get("networking", {}).get("podSubnet", ""),
                "service_cidr": cluster.get("networking", {}).get("serviceSubnet", "10.96.0.0/12"),
                "objects": {},
            }

    # -- being there -----------------------------------------------------------------------------------------

    def problem(self) -> str | None:
        """Why the API does not answer; None when it does."""
        with self.machine.state.reading():
            if not self.doc:
                return "there is no cluster"
            address = self.doc["address"]
        if not self.machine.static_pods() >= CONTROL_PLANE:
            return "the control plane's pods do not run"
        if address not in self.machine.addresses():
            return f"no card has {address}"
        up = self.machine.units.since("kubelet.service") + self.machine.latencies.seconds("apiserver-restart")
        return None if now() >= up else "the API server is starting"

    def serves(self, address: str) -> bool:
        """Whether the API answers at this address."""
        with self.machine.state.reading():
            if address not in (self.doc.get("address"), "127.0.0.1", "localhost"):
                return False
        return self.problem() is None

    def settle(self) -> None:
        """Let happen what should have happened by now.

        Machines are asked before and changed after, never while the cluster's own state is held: they ask us too.
        What was changed, such as an image that was pulled, lets more happen: it is looked at once more.
        """
        if self._settle():
            self._settle()

    def _settle(self) -> bool:
        seen = {
            name: one for name, one in cluster_nodes.look(self.machine.neighbours).items() if self.trusted(one.report)
        }
        effects: list[Callable[[], None]] = []
        with self.machine.state.change():
            cluster_nodes.settle_nodes(self, seen)
            cluster_calico.settle(self)
            cluster_workloads.settle_pods(self, seen, effects)
        for effect in effects:
            effect()
        return bool(effects)

    # -- tokens ----------------------------------------------------------------------------------------------

    def create_token(self, seconds: float, description: str, token: str | None = None) -> str:
        """A bootstrap token, kept as the Secret that kubeadm would make.

        Args:
            seconds: its life; 0 for ever.
        """
        if token is None:
            token = ".".join("".join(secrets.choice(_ALPHABET) for _ in range(n)) for n in (6, 16))
        identity, value = token.split(".")
        data = {
            "token-id": identity,
            "token-secret": value,
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        }
        if description:
            data["description"] = description
        if seconds:
            data["expiration"] = moment(now() + seconds)
        with self.machine.state.change():
            self.objects.put(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"},
                    "type": "bootstrap.kubernetes.io/token",
                    "data": {key: b64encode(text.encode()).decode() for key, text in data.items()},
                }
            )
            self.doc.setdefault("tokens", {})[identity] = {
                "secret": value,
                "until": now() + seconds if seconds else None,
            }
        return token

    def token_problem(self, token: str, at: float) -> str | None:
        """Why a token does not authenticate; None when it does."""
        identity, _, value = token.partition(".")
        with self.machine.state.reading():
            known = self.doc.get("tokens", {}).get(identity)
            there = self.objects.get("secrets", "kube-system", f"bootstrap-token-{identity}")
        if known is None or there is None or known["secret"] != value:
            return f'could not find a JWS signature in the cluster-info ConfigMap for token ID "{identity}"'
        if known["until"] is not None and at >= known["until"]:
            return f'token "{identity}" is invalid: it has expired'
        return None

    # -- neighbours.ClusterApi -------------------------------------------------------------------------------

    @property
    def kubernetes_version(self) -> str:
        with self.machine.state.reading():
            return str(self.doc["version"])

    @property
    def ca_hash(self) -> str:
        """The pin that joining machines check."""
        with self.machine.state.reading():
            return ca_hash(self.doc["ca"])

    def cluster_info(self, token: str, ca_hashes: Iterable[str], moment: float) -> str:
        problem = self.token_problem(token, moment)
        if problem:
            raise JoinRefused(f"couldn't validate the identity of the API Server: {problem}")
        wanted = list(ca_hashes)
        if wanted and self.ca_hash not in wanted:
            raise JoinRefused(
                "couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is "
                f'invalid: none of the public keys "{self.ca_hash}" are pinned'
            )
        with self.machine.state.reading():
            return str(self.doc["ca"])

    def cluster_configuration(self) -> Mapping[str, object]:
        with self.machine.state.reading():
            return dict(self.doc["configuration"])

    def has_node(self, name: str) -> bool:
        with self.machine.state.reading():
            node = self.objects.get("nodes", "", name)
        return node is not None and cluster_nodes.is_ready(node)

    def register(self, machine: Machine, report: NodeReport) -> None:  # noqa: ARG002 - see ClusterApi
        if self.trusted(report):
            with self.machine.state.change():
                cluster_nodes.announced(self, report)

    def trusted(self, report: NodeReport) -> bool:
        """Whether that kubelet trusts this API's certificate; it does not even ask one that it does not trust."""
        with self.machine.state.reading():
            return not self.doc or report.authority == self.doc["ca"]
