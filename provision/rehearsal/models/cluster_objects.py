"""The cluster's kinds and its store of objects."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from provision.rehearsal.files import now

Object = dict[str, Any]


def moment(seconds: float) -> str:
    """A time as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Kind:
    """One kind of object; ``plural`` with the group behind a dot is its name on the command line."""

    kind: str
    plural: str
    group: str = ""
    namespaced: bool = True
    short: tuple[str, ...] = ()
    version: str = "v1"

    @property
    def full(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


_RBAC = "rbac.authorization.k8s.io"
BUILT_IN = (
    Kind("Namespace", "namespaces", namespaced=False, short=("ns",)),
    Kind("Node", "nodes", namespaced=False, short=("no",)),
    Kind("Pod", "pods", short=("po",)),
    Kind("Service", "services", short=("svc",)),
    Kind("ServiceAccount", "serviceaccounts", short=("sa",)),
    Kind("ConfigMap", "configmaps", short=("cm",)),
    Kind("Secret", "secrets"),
    Kind("Event", "events", short=("ev",)),
    Kind("DaemonSet", "daemonsets", "apps", short=("ds",)),
    Kind("Deployment", "deployments", "apps", short=("deploy",)),
    Kind("ClusterRole", "clusterroles", _RBAC, namespaced=False),
    Kind("ClusterRoleBinding", "clusterrolebindings", _RBAC, namespaced=False),
    Kind("Role", "roles", _RBAC),
    Kind("RoleBinding", "rolebindings", _RBAC),
    Kind("RuntimeClass", "runtimeclasses", "node.k8s.io", namespaced=False),
    Kind("PriorityClass", "priorityclasses", "scheduling.k8s.io", namespaced=False),
    Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io", short=("netpol",)),
    Kind("CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io", namespaced=False,
         short=("crd", "crds")),
)  # fmt: skip


class UnknownKind(Exception):
    """The server has no such resource type."""


class Objects:
    """Objects by kind, namespace and name, over a part of the cluster's document."""

    def __init__(self, store: dict[str, dict[str, Object]]) -> None:
        self.store = store

    def kinds(self) -> Iterator[Kind]:
        """Built-in kinds and those that definitions added."""
        yield from BUILT_IN
        for definition in self.store.get("customresourcedefinitions", {}).values():
            spec = definition["spec"]
            served = [v["name"] for v in spec["versions"] if v.get("served")]
            yield Kind(
                spec["names"]["kind"],
                spec["names"]["plural"],
                spec["group"],
                spec["scope"] == "Namespaced",
                tuple(spec["names"].get("shortNames", ())),
                served[0],
            )

    def kind_of(self, word: str) -> Kind:
        """The kind that a word on the command line means.

        Raises:
            UnknownKind: none.
        """
        lowered = word.lower()
        for kind in self.kinds():
            names = {kind.plural, kind.kind.lower(), kind.full, f"{kind.kind.lower()}.{kind.group}", *kind.short}
            if lowered in names or lowered == f"{kind.plural}.{kind.version}.{kind.group}":
                return kind
        raise UnknownKind(word)

    def kind_for(self, document: Object) -> Kind:
        """The kind of a manifest's document.

        Raises:
            UnknownKind: the server has no such kind in that version.
        """
        for kind in self.kinds():
            if kind.kind == document.get("kind") and kind.api_version == document.get("apiVersion"):
                return kind
        raise UnknownKind(f'no matches for kind "{document.get("kind")}" in version "{document.get("apiVersion")}"')

    @staticmethod
    def _bucket(kind: Kind) -> str:
        # Groups whose plurals meet (networkpolicies) keep apart; kinds of the core have their plain name.
        return kind.plural if kind in BUILT_IN else kind.full

    def all(self, plural: str, namespace: str | None = None) -> list[Object]:
        """Objects by the plural (built-in kinds) or full name (others), sorted by namespace and name."""
        found = sorted(self.store.get(plural, {}).items())
        return [o for _, o in found if namespace is None or o["metadata"].get("namespace", "") == namespace]

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        return self.store.get(plural, {}).get(f"{namespace}/{name}")

    def of(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        return self.all(self._bucket(kind), namespace)

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self.get(self._bucket(kind), namespace if kind.namespaced else "", name)

    def put(self, document: Object) -> Object:
        """Store an object as it is, with what the API adds.

        Raises:
            UnknownKind: the server has no such kind.
        """
        kind = self.kind_for(document)
        metadata = document["metadata"]
        namespace = metadata.get("namespace", "default") if kind.namespaced else ""
        if kind.namespaced:
            metadata["namespace"] = namespace
        else:
            metadata.pop("namespace", None)
        before = self.find(kind, namespace, metadata["name"])
        old = before["metadata"] if before else {}
        metadata["uid"] = old.get("uid") or str(uuid.uuid4())
        metadata["creationTimestamp"] = old.get("creationTimestamp") or moment(now())
        if before and "status" in before and "status" not in document:
            document["status"] = before["status"]
        self.store.setdefault(self._bucket(kind), {})[f"{namespace}/{metadata['name']}"] = document
        return document

    def delete(self, kind: Kind, namespace: str, name: str) -> bool:
        """Remove an object; False when it is not there."""
        key = f"{namespace if kind.namespaced else ''}/{name}"
        found = self.store.get(self._bucket(kind), {}).pop(key, None)
        if found is not None and kind.kind == "Namespace":
            for bucket in self.store.values():
                for inner in [k for k, o in bucket.items() if o["metadata"].get("namespace") == name]:
                    del bucket[inner]
        return found is not None
