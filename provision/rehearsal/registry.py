"""Registries as the rehearsal has them: what they answer for a manifest, to whom.

The public registries, and the mirrors that the settings name: those take the place of the registry that they
mirror, below their own path, and want the pull secret that the environment holds for them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provision.rehearsal.container_images import index, registries, systems

# Docker's registry answers at another name than the one in its images' names.
_API = {"registry-1.docker.io": "docker.io"}
_MANIFEST = re.compile(r"(?P<prefix>.*?)/?v2/(?P<repository>[^?]+)/manifests/(?P<tag>[\w.:-]+)")


@dataclass(frozen=True)
class Answer:
    """What a server says; names of headers in lower case."""

    status: int
    body: bytes = b""
    type: str = "application/json"


@dataclass(frozen=True)
class Site:
    """A registry or mirror that only this cluster's settings know.

    Attributes:
        base: host and path, without scheme, as in the settings: ``mirror.example/k8s``.
        mirrors: the registry that it stands for; its own host for a registry.
        secret: SHA-256 of the Authorization header that it wants; empty for none.
    """

    base: str
    mirrors: str
    secret: str = ""

    @classmethod
    def read(cls, rows: object) -> tuple[Site, ...]:
        """From what `shown` gave; raises TypeError for anything else."""
        return tuple(cls(**row) for row in rows) if isinstance(rows, list) else ()

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def secret_of(authorization: str) -> str:
    """What a site remembers of a header."""
    return hashlib.sha256(authorization.encode()).hexdigest() if authorization else ""


def answer(address: str, authorization: str, sites: Sequence[Site] = ()) -> Answer | None:
    """What the registry at an address (``host/v2/...``, without scheme) answers; None when it is no registry's.

    Args:
        authorization: the request's header, empty without one.
    """
    path, _, query = address.partition("?")
    site = next((one for one in sites if _below(path, one.base)), None)
    if site is None:
        host, _, rest = path.partition("/")
        host = _API.get(host, host)
        if host not in registries():
            return None
        return _manifest(host, rest)
    if site.secret and not hmac.compare_digest(secret_of(authorization), site.secret):
        return _problem(401, "UNAUTHORIZED", "authentication required")
    asked = parse_qs(query).get("ns", [site.mirrors])[0]
    return _manifest(asked, _inside(path, site.base))


def _below(path: str, base: str) -> bool:
    return _api_of(path, base) is not None


def _api_of(path: str, base: str) -> str | None:
    """What follows the site's API root: ``<base>/v2/...``, or ``<base>/...`` where the base has the version in it."""
    if not path.startswith(f"{base.rstrip('/')}/"):
        return None
    rest = path[len(base.rstrip("/")) + 1 :]
    if "/v2" in base:
        return f"v2/{rest}"
    return rest if rest.startswith("v2/") else None


def _inside(path: str, base: str) -> str:
    return _api_of(path, base) or ""


def _manifest(host: str, path: str) -> Answer:
    if path in ("v2", "v2/"):
        return Answer(200, b"{}")
    found = _MANIFEST.fullmatch(path)
    if found is None or found["prefix"]:
        return _problem(404, "NOT_FOUND", f"nothing is at {path}")
    wanted = systems(host, found["repository"], found["tag"])
    if not wanted:
        return _problem(404, "MANIFEST_UNKNOWN", f"manifest unknown: {found['repository']}:{found['tag']}")
    name = f"{host}/{found['repository']}:{found['tag']}"
    return Answer(200, index(name, wanted), "application/vnd.oci.image.index.v1+json")


def _problem(status: int, code: str, text: str) -> Answer:
    return Answer(status, json.dumps({"errors": [{"code": code, "message": text}]}).encode())


Web = Callable[[str, Mapping[str, str]], Answer]
"""The way out of a machine: URL and headers to an answer; OSError where nobody is."""


def direct(sites: Sequence[Site] = ()) -> Web:
    """A way out without sockets, for machines that no process serves."""

    def ask(url: str, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        address = f"{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        found = answer(address, headers.get("Authorization", ""), sites)
        if found is None:
            raise OSError(f"dial tcp: lookup {parts.hostname}: no such host")
        return found

    return ask
