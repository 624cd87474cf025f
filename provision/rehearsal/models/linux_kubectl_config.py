"""Which cluster a kubeconfig leads to, and whether its API lets us in."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import urlsplit

import yaml

from provision.rehearsal import yaml_text
from provision.rehearsal.models.cluster import Cluster
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_program import Failed, Options
from provision.rehearsal.models.neighbours import api_at
from provision.rehearsal.shell import Call


def connect(box: LinuxBox, call: Call, given: Options) -> Cluster:
    """The cluster that a call means: by its flag, $KUBECONFIG or the file in the home folder.

    Raises:
        Failed: the file is none, nobody answers there, the CA is another one, or the account may do nothing.
    """
    path = given.get("--kubeconfig") or call.env.get("KUBECONFIG", "")
    if not path:
        path = f"{call.env.get('HOME', '/root')}/.kube/config"
        if not box.files.exists(path):
            raise Failed(
                "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
            )
    try:
        config = yaml_text.load(box.files.read(path).decode())
        entry = config["clusters"][0]["cluster"]
        parts = urlsplit(entry["server"])
    except FileNotFoundError:
        raise Failed(f"error: stat {path}: no such file or directory") from None
    except (yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise Failed(f'error: error loading config file "{path}": {error}') from None
    box.latency("kubectl")
    try:
        api = api_at(box.machine.neighbours, parts.hostname or "", parts.port or 443)
    except TimeoutError:
        raise Failed(f"Unable to connect to the server: dial tcp {parts.netloc}: i/o timeout") from None
    if not isinstance(api, Cluster):
        raise Failed(
            f"The connection to the server {parts.netloc} was refused - did you specify the right host or port?"
        )
    with api.machine.state.reading():
        known = str(api.doc["ca"])
    if b64decode(entry.get("certificate-authority-data", "")).decode() != known:
        raise Failed(
            "Unable to connect to the server: tls: failed to verify certificate: x509: "
            "certificate signed by unknown authority"
        )
    if not path.endswith("/admin.conf") and "kubernetes-admin" not in config["current-context"]:
        raise Failed("Error from server (Forbidden): this account may not do this")
    return api
