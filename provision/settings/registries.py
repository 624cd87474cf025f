"""``network.registries`` and ``network.ca`` as what they mean: mirrors, authorities, secrets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provision.secrets import Secret
from provision.settings.model import Network

KEYS = ("mirrors", "ca", "skip_verify")
API_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Registries that answer at another host than the one in their images' names."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Registry:
    """One registry, as containerd asks for its images.

    Attributes:
        host: as it stands in images' names, with a port where it has one.
        mirrors: URLs that are asked first, in this order.
        ca: PEM file with the authorities of its mirrors; None takes `Network.ca`.
        skip_verify: its mirrors' certificates are not checked.
    """

    host: str
    mirrors: tuple[str, ...]
    ca: Path | None = None
    skip_verify: bool = False

    @property
    def server(self) -> str:
        """The URL of the registry itself."""
        return f"https://{API_HOSTS.get(self.host, self.host)}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that is asked for its images: the mirrors' and its own."""
        return tuple(dict.fromkeys([*(urlsplit(url).netloc for url in self.mirrors), self.host]))


def registries(network: Network) -> tuple[Registry, ...]:
    """What the settings say of registries; wrong values, which `problems` names, are left out."""
    return tuple(_read(host, value) for host, value in network.registries.items() if not list(problems(host, value)))


def problems(host: str, value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with one registry's value, and what to write instead."""
    if not _HOST.fullmatch(host):
        yield (
            f"{host!r} is no registry",
            "write the host as it stands in images' names, such as registry.k8s.io or registry.example:5000",
        )
    if isinstance(value, Mapping):
        strange = sorted(set(value) - set(KEYS))
        if strange:
            yield f"{strange[0]} is no setting of a registry", f"write {', '.join(KEYS)}"
        if not isinstance(value.get("skip_verify", False), bool):
            yield "skip_verify is neither true nor false", "write true or false"
        if not isinstance(value.get("ca", ""), str):
            yield "ca is no path", "write the path of a PEM file"
        value = value.get("mirrors", [])
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        yield "this is neither a URL nor a list of URLs", "write https://mirror.example, or a list, or a table"
        return
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc) or parts.query or parts.fragment:
            said = "has a user in it" if "@" in parts.netloc else "is no URL of a mirror"
            remedy = f"put user:password into {secret_variable(parts.netloc.rpartition('@')[2] or host)}"
            yield f"{url} {said}", remedy if "@" in parts.netloc else "write https://mirror.example or .../path"


def _read(host: str, value: Any) -> Registry:
    table = value if isinstance(value, Mapping) else {"mirrors": value}
    urls = table.get("mirrors", [])
    return Registry(
        host=host,
        mirrors=tuple(url.rstrip("/") for url in ([urls] if isinstance(urls, str) else urls)),
        ca=Path(table["ca"]) if table.get("ca") else None,
        skip_verify=bool(table.get("skip_verify", False)),
    )


def secret_variable(host: str) -> str:
    """The environment variable with the pull secret (user:password) of a registry or mirror."""
    return "HYBRID_REGISTRY_" + re.sub(r"[^A-Z0-9]", "_", host.upper())


def authorization(secret: Secret) -> str:
    """The header that goes with a pull secret; it is masked, too."""
    header = base64.b64encode(secret.reveal().encode()).decode()
    Secret(header)
    return f"Basic {header}"


def certificates(text: str) -> tuple[str, ...]:
    """The certificates of a PEM file, each as a PEM text of its own.

    Raises:
        ValueError: there is none in it, or one is damaged.
    """
    found = []
    for match in _PEM.finditer(text):
        try:
            der = base64.b64decode("".join(match[1].split()), validate=True)
        except binascii.Error as error:
            raise ValueError("a certificate in it is damaged") from error
        if not der.startswith(b"\x30"):
            raise ValueError("a certificate in it is damaged")
        body = base64.b64encode(der).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        found.append("\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]))
    if not found:
        raise ValueError("there is no certificate in it")
    return tuple(dict.fromkeys(found))


def der_of(pem: str) -> bytes:
    """A certificate's bytes, whose digests name it."""
    match = _PEM.search(pem)
    assert match is not None
    return base64.b64decode("".join(match[1].split()))
