"""Small images for tests: their documents and blobs, archives of them, and a registry on loopback that plays tricks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.http_servers import Server

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution.manifest."


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()


def tar_of(files: Mapping[str, bytes | str | None]) -> bytes:
    """A tar: name -> content; a text is the target of a symbolic link, None a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@dataclass
class Made:
    """Blobs by digest, and the descriptor of what is on top."""

    top: dict[str, Any]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return str(self.top["digest"])


def image(
    *contents: bytes,
    os: str = "linux",
    architecture: str = "amd64",
    docker: bool = False,
    compress: bool = True,
    os_version: str = "",
    **config: Any,
) -> Made:
    """An image with one layer a content, each holding the file ``etc/file<number>``."""
    blobs, layers, diffs = {}, [], []
    for number, content in enumerate(contents):
        plain = tar_of({f"etc/file{number}": content})
        blob = gzip.compress(plain, mtime=0) if compress else plain
        blobs[digest(blob)] = blob
        kind = "application/vnd.docker.image.rootfs.diff.tar" if docker else f"{OCI}layer.v1.tar"
        suffix = (".gzip" if docker else "+gzip") if compress else ""
        layers.append({"mediaType": kind + suffix, "digest": digest(blob), "size": len(blob)})
        diffs.append(digest(plain))
    document = {"os": os, "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diffs}, **config}
    if os_version:
        document["os.version"] = os_version
    raw = encode(document)
    blobs[digest(raw)] = raw
    kind = "application/vnd.docker.container.image.v1+json" if docker else f"{OCI}config.v1+json"
    described = {"mediaType": kind, "digest": digest(raw), "size": len(raw)}
    manifest_kind = f"{DOCKER}v2+json" if docker else f"{OCI}manifest.v1+json"
    manifest = encode({"schemaVersion": 2, "mediaType": manifest_kind, "config": described, "layers": layers})
    blobs[digest(manifest)] = manifest
    platform = {"os": os, "architecture": architecture} | ({"os.version": os_version} if os_version else {})
    top = {"mediaType": manifest_kind, "digest": digest(manifest), "size": len(manifest), "platform": platform}
    return Made(top, blobs)


def index(*images: Made, docker: bool = False) -> Made:
    """An index of images."""
    kind = f"{DOCKER}list.v2+json" if docker else f"{OCI}index.v1+json"
    raw = encode({"schemaVersion": 2, "mediaType": kind, "manifests": [one.top for one in images]})
    blobs = {name: blob for one in images for name, blob in one.blobs.items()}
    blobs[digest(raw)] = raw
    return Made({"mediaType": kind, "digest": digest(raw), "size": len(raw)}, blobs)


def layout(made: Made, name: str | None = "registry.k8s.io/thing:v1") -> dict[str, bytes | str | None]:
    """The files of an OCI layout with one entry."""
    top = dict(made.top)
    if name is not None:
        top["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "v1"}
    files: dict[str, bytes | str | None] = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": encode({"schemaVersion": 2, "manifests": [top]}),
    }
    files |= {f"blobs/sha256/{name.partition(':')[2]}": blob for name, blob in made.blobs.items()}
    return files


def archive(path: Path, files: Mapping[str, bytes | str | None]) -> Path:
    """Write a tar of these files."""
    path.write_bytes(tar_of(files))
    return path


@dataclass
class Asked:
    """One request as it came."""

    path: str
    authorization: str | None
    range: str | None


@dataclass
class FakeRegistry:
    """A registry on loopback. What is set here is what it does.

    Attributes:
        tags: "path:tag" -> digest.
        token: a Bearer token without which nothing is answered; ``realm`` is where it is had.
        blobs_at: base URL of a server that blobs are redirected to.
        script: what the next requests of blobs do in turn: "cut", "flip", "503", "html", "more", "bad-range", "good".
    """

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    token: str = ""
    realm: str = ""
    user: str = ""
    blobs_at: str = ""
    states_digest: str = ""
    script: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    tokens_for: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def hold(self, path: str, tag: str, made: Made) -> str:
        """Take an image; returns its reference by tag."""
        self.blobs |= made.blobs
        self.tags[f"{path}:{tag}"] = made.digest
        for blob in made.blobs.values():
            if blob[:1] == b"{" and (kind := json.loads(blob).get("mediaType")):
                self.kinds[digest(blob)] = kind
        return f"{self.host}/{path}:{tag}"

    def paths(self, part: str) -> list[str]:
        """The requests whose path holds a part."""
        return [one.path for one in self.asked if part in one.path]


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """A registry on a free port of 127.0.0.1."""
    made = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            made.asked.append(Asked(self.path, self.headers.get("Authorization"), self.headers.get("Range")))
            parts = urlsplit(self.path)
            if parts.path == "/token":
                self.hand_out_token(parse_qs(parts.query))
            elif made.token and self.headers.get("Authorization") != f"Bearer {made.token}":
                realm = made.realm or f"{made.url}/token"
                challenge = f'Bearer realm="{realm}",service="tests",scope="repository:thing:pull"'
                self.answer(401, b"{}", {"WWW-Authenticate": challenge})
            elif "/manifests/" in parts.path:
                self.manifest(*parts.path.removeprefix("/v2/").split("/manifests/"))
            elif "/blobs/" in parts.path:
                self.blob(parts.path)
            else:
                self.answer(404)

        def hand_out_token(self, query: dict[str, list[str]]) -> None:
            made.tokens_for.append(query)
            authorization = self.headers.get("Authorization")
            if made.user and authorization != made.user:
                self.answer(401)
            else:
                self.answer(200, json.dumps({"token": made.token}).encode())

        def manifest(self, path: str, wanted: str) -> None:
            name = made.tags.get(f"{path}:{wanted}", wanted)
            data = made.blobs.get(name)
            if data is None:
                self.answer(404)
                return
            headers = {"Docker-Content-Digest": made.states_digest or name}
            self.answer(200, data, {"Content-Type": made.kinds.get(name, "application/json"), **headers})

        def blob(self, path: str) -> None:
            data = made.blobs.get(path.rpartition("/")[2])
            if made.blobs_at:
                self.answer(307, b"", {"Location": made.blobs_at + path + "?signature=secret"})
                return
            if data is None:
                self.answer(404)
                return
            what = made.script.pop(0) if made.script else "good"
            wanted = self.headers.get("Range")
            start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
            if what == "cut":
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                self.wfile.write(data[start : start + (len(data) - start) // 2])
                self.close_connection = True
            elif what == "html":
                self.answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
            elif what == "flip":
                self.answer(206 if start else 200, bytes([data[start] ^ 1]) + data[start + 1 :])
            elif what == "more":
                self.answer(200, data + b"more")
            elif what == "bad-range" and start:
                self.answer(416)
            elif what.isdecimal():
                self.answer(int(what), b"", {"Retry-After": "7"})
            else:
                self.answer(206 if start else 200, data[start:])

        def answer(self, code: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
            self.send_response(code)
            for name, text in {"Content-Type": "application/octet-stream", **headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def push(made: Made, host: str, path: str, tag: str, **headers: str) -> None:
    """Put an image or an index into a real registry."""
    base = f"http://{host}/v2/{path}"
    documents = []
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)
        for name, blob in made.blobs.items():
            kind = json.loads(blob).get("mediaType") if blob[:1] == b"{" else None
            if kind is not None:
                documents.append((name, blob, kind))
                continue
            begun = session.post(f"{base}/blobs/uploads/", timeout=30)
            begun.raise_for_status()
            where = begun.headers["Location"]
            joint = "&" if "?" in where else "?"
            session.put(f"{where}{joint}digest={name}", data=blob, timeout=30).raise_for_status()
        # An index comes last: a registry wants what it names.
        for name, blob, kind in sorted(documents, key=lambda row: "index" in row[2] or "list" in row[2]):
            for wanted in {name, tag} if name == made.digest else {name}:
                answer = session.put(
                    f"{base}/manifests/{wanted}", data=blob, headers={"Content-Type": kind}, timeout=30
                )
                answer.raise_for_status()
