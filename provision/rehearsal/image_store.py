"""containerd's images of one modelled machine: what is there, pulling through hosts.toml, importing, exporting.

Kept in the machine's state under ``image_store``: name -> digest, and the archive's SHA-256 for what was imported.
Words of errors are containerd's (core/remotes/docker, core/images/archive, cmd/ctr).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provision.build.images import read_archive, reference
from provision.build.images_names import Reference
from provision.build.images_oci import CONTAINERD_NAME, REF_NAME, encode
from provision.errors import ArtifactError
from provision.rehearsal import container_images
from provision.rehearsal.machine import Machine

_FOLDERS = {"linux": "/var/lib/containerd/hybrid", "windows": "C:\\ProgramData\\containerd\\root\\hybrid"}
_HOST_KEYS = frozenset(
    {"capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout", "proxy"}
)


class ImageError(Exception):
    """containerd refuses; the text is what it says."""


@dataclass(frozen=True)
class Host:
    """Where a registry's images are asked for: the API's root, and headers."""

    root: str
    headers: Mapping[str, str]


class ImageStore:
    """The namespace ``k8s.io`` of a machine's containerd.

    Args:
        config_path: the folder of hosts.toml files that containerd was started with; empty for none.
    """

    def __init__(self, machine: Machine, config_path: str = "") -> None:
        self.machine = machine
        self.config_path = config_path

    def names(self) -> dict[str, str]:
        """Name -> digest of the image on this system."""
        with self.machine.state.reading() as data:
            return {name: str(entry["digest"]) for name, entry in sorted(data.get("image_store", {}).items())}

    def has(self, name: str) -> bool:
        """Whether the image is there, under the name that containerd would look for."""
        with self.machine.state.reading() as data:
            return str(normal(name)) in data.get("image_store", {})

    def lacks(self, names: list[str]) -> list[str]:
        """Those that are not there, in their order."""
        with self.machine.state.reading() as data:
            there = data.get("image_store", {})
            return [name for name in names if str(normal(name)) not in there]

    # -- pulling -------------------------------------------------------------------------------------------------

    def pull(self, name: str) -> str:
        """Have an image from its registry or a mirror; returns its digest.

        Raises:
            ImageError: nobody gives it, with the last one's words.
        """
        wanted = normal(name)
        prefix = f'failed to pull and unpack image "{wanted}": '
        last = ""
        for host in self._hosts(wanted, prefix):
            url = f"{host.root}/{wanted.path}/manifests/{wanted.wanted}"
            if urlsplit(host.root).hostname != urlsplit(f"//{wanted.api_host}").hostname:
                url += f"?ns={wanted.host}"
            try:
                answer = self.machine.web(url, host.headers)
            except OSError as error:
                last = f'failed to resolve reference "{wanted}": failed to do request: Head "{url}": {error}'
                continue
            if answer.status == 401:
                last = (
                    f'failed to resolve reference "{wanted}": pull access denied, repository does not exist or may '
                    "require authorization: authorization failed: no basic auth credentials"
                )
            elif answer.status == 404:
                last = f'failed to resolve reference "{wanted}": {wanted}: not found'
            elif answer.status != 200:
                said = f"unexpected status from HEAD request to {url}: {answer.status}"
                last = f'failed to resolve reference "{wanted}": {said}'
            else:
                digest = self._own(answer.body, wanted)
                self.put(str(wanted), digest)
                return digest
        raise ImageError(prefix + last)

    def pulled(self, name: str) -> str:
        """Pull for a pod what is not there; returns why that cannot be, in the runtime's words, or nothing."""
        try:
            with self.machine.pulling:
                if not self.has(name):
                    self.pull(name)
        except ImageError as error:
            code = "NotFound" if str(error).endswith("not found") else "Unknown"
            return f"rpc error: code = {code} desc = {error}"
        return ""

    def _own(self, body: bytes, wanted: Reference) -> str:
        """The digest of this system's image in an index."""
        for row in json.loads(body)["manifests"]:
            if row["platform"]["os"] == self.machine.os:
                return str(row["digest"])
        raise ImageError(f'failed to pull and unpack image "{wanted}": no match for platform in manifest: not found')

    def _hosts(self, wanted: Reference, prefix: str) -> Iterator[Host]:
        """The hosts to ask in turn, as hosts.toml says: mirrors, then the server."""
        document = self._document(wanted.host, prefix)
        for url, table in document.get("host", {}).items():
            strange = sorted(set(table) - _HOST_KEYS)
            if strange:
                raise ImageError(f"{prefix}failed to parse hosts.toml: unknown field {strange[0]}")
            if "resolve" not in table.get("capabilities", ["pull", "resolve", "push"]):
                continue
            for path in _texts(table.get("ca", [])):
                if not self.machine.files.exists(path):
                    raise ImageError(f"{prefix}unable to load CA cert {path}: open {path}: no such file or directory")
            headers = {key: _texts(value)[0] for key, value in table.get("header", {}).items()}
            yield Host(_root(url, bool(table.get("override_path"))), _titled(headers))
        own = f"https://{wanted.api_host}"
        server = str(document.get("server", own))
        yield Host(_root(server, bool(document.get("override_path"))), {})

    def _document(self, host: str, prefix: str) -> dict[str, Any]:
        if not self.config_path:
            return {}
        head, colon, port = host.partition(":")
        folders = ([f"{head}_{port}_"] if colon else []) + [host if self.machine.os == "linux" else head + port]
        for folder in (*folders, "_default"):
            path = f"{self.config_path}/{folder}/hosts.toml"
            if self.machine.files.exists(path):
                try:
                    return tomllib.loads(self.machine.files.read(path).decode())
                except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                    raise ImageError(f"{prefix}failed to load hosts.toml {path}: {error}") from error
        return {}

    # -- what is there -------------------------------------------------------------------------------------------

    def put(self, name: str, digest: str, archive: str = "") -> None:
        """Note an image."""
        with self.machine.state.change() as data:
            data.setdefault("image_store", {})[name] = {"digest": digest, **({"archive": archive} if archive else {})}

    def tag(self, old: str, new: str) -> None:
        """Another name for an image.

        Raises:
            ImageError: there is none of the old name.
        """
        with self.machine.state.change() as data:
            images = data.setdefault("image_store", {})
            if old not in images:
                raise ImageError(f'image "{old}": not found')
            images[new] = dict(images[old])

    def remove(self, name: str) -> None:
        """Forget an image.

        Raises:
            ImageError: there is none of this name.
        """
        with self.machine.state.change() as data:
            if data.get("image_store", {}).pop(name, None) is None:
                raise ImageError(f'image "{name}": not found')

    def load(self, content: bytes) -> list[tuple[str, str]]:
        """Import an archive; returns names and digests.

        Raises:
            ImageError: it is no archive of images, or has none for this system.
        """
        with tempfile.TemporaryDirectory(prefix="rehearsal-image-") as folder:
            path = Path(folder) / "archive.tar"
            path.write_bytes(content)
            try:
                found = read_archive(path)
            except ArtifactError as error:
                raise ImageError(f"unrecognized image format: {error.what.partition(': ')[2]}") from error
        own = [one for one in found if one.os == self.machine.os]
        if not own:
            raise ImageError("image might be filtered out: no image in it is for this platform: not found")
        kept = hashlib.sha256(content).hexdigest()
        self.machine.files.make_folders(_FOLDERS[self.machine.os])
        self.machine.files.write(self._kept(kept), content)
        loaded = [(name, one.digest) for one in own for name in one.names]
        for name, digest in loaded:
            self.put(name, digest, kept)
        return loaded

    def save(self, name: str) -> bytes:
        """An archive of one image.

        Raises:
            ImageError: there is none of this name.
        """
        with self.machine.state.reading() as data:
            entry = data.get("image_store", {}).get(name)
        if entry is None:
            raise ImageError(f'image "{name}": not found')
        kept = entry.get("archive")
        if not kept:
            return container_images.archive(name, self.machine.os)
        return _only(self.machine.files.read(self._kept(kept)), name, entry["digest"])

    def _kept(self, sha256: str) -> str:
        separator = "/" if self.machine.os == "linux" else "\\"
        return f"{_FOLDERS[self.machine.os]}{separator}{sha256}.tar"


def normal(name: str) -> Reference:
    """A name as containerd completes it.

    Raises:
        ImageError: it is none.
    """
    try:
        return reference(name)
    except ArtifactError as error:
        raise ImageError(f'failed to parse reference "{name}": invalid reference format') from error


def _root(url: str, override: bool) -> str:
    """The API's root of a host: ``/v2`` is added to what does not end with it, unless the path is the root itself."""
    url = url.rstrip("/") if "://" in url else f"https://{url.rstrip('/')}"
    return url if override or url.endswith("/v2") else f"{url}/v2"


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.title(): value for key, value in headers.items()}


def _only(content: bytes, name: str, digest: str) -> bytes:
    """An archive with one of its images listed, under one name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            stream = old.extractfile(member)
            data = stream.read() if stream is not None else b""
            if member.name == "index.json":
                index = json.loads(data)
                rows = [row for row in index["manifests"] if row["digest"] == digest][:1] or index["manifests"][:1]
                for row in rows:
                    row["annotations"] = {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2]}
                data = encode({**index, "manifests": rows})
            member.size = len(data)
            new.addfile(member, io.BytesIO(data) if stream is not None else None)
    return out.getvalue()
