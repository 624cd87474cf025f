"""The administrator's kubeconfig as it is saved here, and whether the API answers to it from here."""

from __future__ import annotations

import base64
import binascii
import http.client
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from provision.clock import Deadline, sleep
from provision.errors import AuthenticationRefused, HostChanged, StepFailed, Unreachable

_ATTEMPT = 5.0  # seconds for one request


@dataclass(frozen=True)
class Access:
    """What a kubeconfig's current context says: where the API is, its CA, and our certificate and key (PEM)."""

    server: str
    ca: str
    certificate: str
    key: str


def local_kubeconfig(admin: str, *, context: str, server: str) -> str:
    """kubeadm's admin.conf as a kubeconfig with one context of our name and a server that is reached from here.

    Args:
        admin: the text of /etc/kubernetes/admin.conf.
        context: name of context and cluster; the user is ``<context>-admin``.
        server: ``https://host:port``, an address that the API server's certificate names.

    Raises:
        StepFailed: the text is no kubeconfig with an embedded certificate.
    """
    found = access(admin)
    user = f"{context}-admin"
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": _encoded(found.ca)}}
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encoded(found.certificate),
                    "client-key-data": _encoded(found.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    return yaml.safe_dump(made, sort_keys=False)


def access(kubeconfig: str) -> Access:
    """The current context of a kubeconfig with embedded certificates.

    Raises:
        StepFailed: it is none.
    """
    try:
        document = yaml.safe_load(kubeconfig)
        chosen = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], chosen["cluster"])["cluster"]
        user = _named(document["users"], chosen["user"])["user"]
        return Access(
            server=cluster["server"],
            ca=_decoded(cluster["certificate-authority-data"]),
            certificate=_decoded(user["client-certificate-data"]),
            key=_decoded(user["client-key-data"]),
        )
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, ValueError, binascii.Error) as error:
        raise StepFailed(
            "the control plane's admin.conf is not a kubeconfig with embedded certificates",
            details=type(error).__name__,
            remedy="run `invoke up` again; if it stays so, look at /etc/kubernetes/admin.conf on the control plane",
        ) from error


def require_reachable(kubeconfig: str, deadline: Deadline) -> None:
    """Ask the API server for its readiness, with the kubeconfig's CA and certificate.

    Raises:
        Unreachable: nothing answers there, or the API is not ready, until the deadline.
        HostChanged: what answers has a certificate of another CA or for another name.
        AuthenticationRefused: it is the right server, and it refuses the certificate.
    """
    found = access(kubeconfig)
    where = urlsplit(found.server)
    context = _trusting(found)
    while True:
        try:
            status, said = _get(where.hostname or "", where.port or 443, context, deadline)
        except ssl.SSLCertVerificationError as error:
            raise HostChanged(
                f"{found.server} answers with a certificate that this cluster's CA did not make",
                details=error.verify_message,
                remedy="another cluster may have the same address: look at `network.machines`",
            ) from error
        except OSError as error:
            seen = str(error) or type(error).__name__
        except http.client.HTTPException as error:
            seen = repr(error)
        else:
            if status == 200:
                return
            if status in (401, 403):
                raise AuthenticationRefused(
                    f"{found.server} refuses the administrator's certificate",
                    details=said,
                    remedy="the cluster was made anew? run `invoke kubeconfig` again",
                )
            seen = f"HTTP {status}: {said}"
        if deadline.expired:
            raise Unreachable(
                f"the API at {found.server} does not answer from here",
                details=f"last seen: {seen}",
                remedy="does the control plane run (`invoke status`), and does this computer reach its network?",
            )
        sleep(min(1.0, deadline.remaining()))


def _get(host: str, port: int, context: ssl.SSLContext, deadline: Deadline) -> tuple[int, str]:
    # http.client knows no proxies, which is right here: the address is on the machines' network.
    timeout = max(0.1, min(_ATTEMPT, deadline.remaining()))
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read(2000).decode("utf-8", "replace")
    finally:
        connection.close()


def _trusting(found: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=found.ca)
    # OpenSSL reads a certificate and its key only from files; the folder is ours alone and gone at once.
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_text(f"{found.certificate}\n{found.key}\n")
        context.load_cert_chain(pair)
    return context


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"] == name)


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
