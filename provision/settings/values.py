"""Values of settings that need more than a type: read from text, refused with a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from provision.knowledge.versions import parse
from provision.settings.problems import Complaint

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_CI = re.compile(r"ci/(?:latest|latest-\d+\.\d+|(?P<version>v?\d+\.\d+\.\d+-.+))")
_ALONE = re.compile(r"\d+(\.\d+){3}")  # an address, which would be a network of one machine
_SHA = re.compile(r"[0-9a-f]{7,40}")
_MEMORY_WITH_UNIT = re.compile(r"(\d+)\s*(g|gb|gi|gib|m|mb|mi|mib)", re.IGNORECASE)


def is_label(name: str) -> bool:
    """Whether a name is a lower-case label of RFC 1123: letters, digits, inner dashes, up to 63 characters."""
    return len(name) <= 63 and _LABEL.fullmatch(name) is not None


def as_label(name: str) -> str:
    """The nearest label, for remedies."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63] or "machine"


def _version(value: str, example: str = "1.36.4") -> str:
    try:
        parse(value)
    except ValueError as error:
        minor = example.rpartition(".")[0]
        raise Complaint(
            f"{value!r} is not a version", f"write a minor ({minor}) or a full version ({example})"
        ) from error
    return value.strip().removeprefix("v")


def version_like(example: str) -> AfterValidator:
    """A version; the complaint of what is none shows this full one and its minor."""
    return AfterValidator(partial(_version, example=example))


def _kubernetes(value: str) -> str:
    text = value.strip()
    if not text.startswith("ci"):
        return _version(text)
    match = _CI.fullmatch(text)
    if match is None:
        raise Complaint(
            f"{value!r} names no CI build", "write ci/latest, ci/latest-1.37, or one in full: ci/v1.37.0-alpha.1.5+abc"
        )
    if match["version"]:
        return f"ci/v{_version(match['version'])}"
    return text


def _network(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _ALONE.fullmatch(value):
        raise Complaint(f"{value} has no prefix", "write it as address/prefix, such as 10.244.0.0/16")
    try:
        return IPv4Network(value)
    except ValueError as error:
        if ":" in value:
            raise Complaint(
                f"{value} is not IPv4", "write an IPv4 network; Windows nodes here have IPv4 only"
            ) from error
        try:
            wider = IPv4Network(value, strict=False)
        except ValueError:
            raise Complaint(
                f"{value!r} is not a network", "write it as address/prefix, such as 10.244.0.0/16"
            ) from error
        raise Complaint(f"{value} has bits set behind its prefix", f"write {wider}") from error


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return IPv4Address(value)
    except ValueError as error:
        remedy = (
            "write the address alone, without a prefix" if "/" in value else "write four numbers, such as 192.168.56.10"
        )
        raise Complaint(f"{value!r} is not an IPv4 address", remedy) from error


def _egress(value: Any) -> Any:
    if value in ("control-plane", "none") or not isinstance(value, str):
        return value
    try:
        return IPv4Address(value)
    except ValueError as error:
        raise Complaint(
            f"{value!r} is no way out", "write control-plane, none, or the IPv4 address of a gateway"
        ) from error


def _mebibytes(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    match = _MEMORY_WITH_UNIT.fullmatch(text)
    if match:
        number = int(match[1]) * (1024 if match[2].lower().startswith("g") else 1)
        raise Complaint(f"{text!r} has a unit", f"memory is a number of MiB: write {number}")
    if text.isdecimal() and int(text) >= 1024 * 1024:
        raise Complaint(f"{text} MiB is more than a computer has", "memory is a number of MiB: 4096 is 4 GiB")
    return value


def _mac(value: str) -> str:
    text = value.lower().replace("-", ":")
    if not _MAC.fullmatch(text):
        raise Complaint(f"{value!r} is not a MAC address", "write six pairs of hex digits, such as 00:50:56:00:10:20")
    if int(text[:2], 16) & 1:
        raise Complaint(f"{value} is a multicast address", "make the first pair even, such as 00:50:56:00:10:20")
    return text


def _cluster_name(value: str) -> str:
    if not is_label(value) or len(value) > 30:
        raise Complaint(
            f"{value!r} cannot name a cluster",
            f"use up to 30 lower-case letters, digits and dashes, such as {as_label(value)[:30].strip('-')}",
        )
    return value


def _sha(value: str) -> str:
    text = value.lower()
    if not _SHA.fullmatch(text):
        raise Complaint(
            f"{value!r} is not a commit", "give 7 to 40 hex digits; branches, tags and pull/12345 go to ref"
        )
    return text


def _proxy(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        scheme, there, _ = value.partition("://")
        what = f"{scheme}:// is no HTTP proxy" if there else "the proxy has no scheme"
        raise Complaint(what, "write http://host:port")
    return value


@dataclass(frozen=True)
class MayBeFile:
    """Marks texts that may name a file or folder; a relative one starts from where it is written.

    Attributes:
        means: whether a text does.
    """

    means: Callable[[str], bool]


def is_path(text: str) -> bool:
    """Whether a text is no URL: the path of a file or folder."""
    return "://" not in text


def is_box_file(text: str) -> bool:
    """Whether a box is a ``.box`` file rather than a name in Vagrant's catalogue."""
    return (is_path(text) and text.endswith(".box")) or text.startswith(("/", "./", "../", "~"))


FileOrUrl = Annotated[str, MayBeFile(is_path)]
BoxName = Annotated[str, MayBeFile(is_box_file)]
VersionText = Annotated[str, version_like("1.36.4")]
KubernetesWord = Annotated[str, AfterValidator(_kubernetes)]
Sha = Annotated[str, AfterValidator(_sha)]
Cidr = Annotated[IPv4Network, BeforeValidator(_network)]
Address = Annotated[IPv4Address, BeforeValidator(_address)]
Mebibytes = Annotated[int, BeforeValidator(_mebibytes), Field(ge=1024)]
Mac = Annotated[str, AfterValidator(_mac)]
ClusterName = Annotated[str, AfterValidator(_cluster_name)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
egress_value = BeforeValidator(_egress)
