"""What kubectl sees of the pods that models run: Pod objects, and their owners' counts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from provision.rehearsal.files import now
from provision.rehearsal.models.cluster_objects import Object, moment

if TYPE_CHECKING:
    from provision.rehearsal.models.cluster import Cluster


def publish(cluster: Cluster, wanted: dict[str, dict[str, Any]], kept: dict[str, dict[str, Any]]) -> None:
    """Write pods and their owners' counts as objects."""
    pods = cluster.objects.store.setdefault("pods", {})
    for key in [k for k, o in pods.items() if o["metadata"].get("labels", {}).get("rehearsal/made") == "yes"]:
        if pods[key]["metadata"]["annotations"].get("rehearsal/key") not in wanted:
            del pods[key]
    names = {
        o["metadata"]["annotations"]["rehearsal/key"]: k
        for k, o in pods.items()
        if "rehearsal/key" in o["metadata"].get("annotations", {})
    }
    for key, pod in wanted.items():
        entry = kept[key]
        suffix = hashlib.sha256(key.encode()).hexdigest()[:5]
        name = f"{pod['owner']}-{suffix}" if pod["kind"] == "DaemonSet" else f"{pod['owner']}-{pod['hash']}-{suffix}"
        if key in names and names[key] != f"{pod['space']}/{name}":
            del pods[names[key]]
        pods[f"{pod['space']}/{name}"] = _object(pod, entry, key, name, pods.get(f"{pod['space']}/{name}"))
    for owner in [*cluster.objects.all("daemonsets"), *cluster.objects.all("deployments")]:
        prefix = f"{owner['metadata']['namespace']}/{owner['metadata']['name']}"
        own = [kept[k] for k in wanted if k.startswith((prefix + "@", prefix + "#"))]
        ready = sum(1 for entry in own if entry.get("ready"))
        if owner["kind"] == "DaemonSet":
            counts = {"desiredNumberScheduled": len(own), "currentNumberScheduled": len(own), "numberReady": ready,
                      "numberAvailable": ready, "updatedNumberScheduled": len(own)}  # fmt: skip
            owner["status"] = counts
        else:
            owner["status"] = {"replicas": len(own), "updatedReplicas": len(own)}
            if ready:
                owner["status"].update(readyReplicas=ready, availableReplicas=ready)
            owner["status"]["conditions"] = [{"type": "Available", "status": "True" if ready == len(own) else "False"}]


def _object(pod: dict[str, Any], entry: dict[str, Any], key: str, name: str, before: Object | None) -> Object:
    metadata = pod["template"]["metadata"]
    ready = bool(entry.get("ready"))
    reason = entry.get("reason", "")
    running = "since" in entry and not reason
    container: Object = {"name": pod["template"]["spec"]["containers"][0]["name"], "ready": ready}
    if running:
        container["state"] = {"running": {"startedAt": moment(entry["since"])}}
    elif reason not in ("Unschedulable", "NodeLost"):
        container["state"] = {"waiting": {"reason": reason or "ContainerCreating", "message": entry.get("message", "")}}
    crashed = reason == "CrashLoopBackOff"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": pod["space"],
            "uid": before["metadata"]["uid"] if before else hashlib.sha256(key.encode()).hexdigest()[:32],
            "creationTimestamp": before["metadata"]["creationTimestamp"] if before else moment(now()),
            "labels": {**metadata.get("labels", {}), "rehearsal/made": "yes"},
            "annotations": {**(metadata.get("annotations") or {}), "rehearsal/key": key},
        },
        "spec": {**pod["template"]["spec"], **({"nodeName": pod["node"]} if pod["node"] else {})},
        "status": {
            "phase": "Running" if running or crashed else "Pending",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [container] if "state" in container else [],
        },
    }
