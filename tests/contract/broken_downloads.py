"""What can be wrong with a download or an archive, and the words with which it is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from dataclasses import replace
from typing import NamedTuple

from provision.artifacts.base import ArtifactSpec

from .publisher import Exchange, Serve, elf, exe, good, special, sums, tar_gz

PROGRAM = exe() + bytes(range(256)) * 4096  # 1 MiB
ARCHIVE = tar_gz(("bin/containerd", elf() + bytes(range(256)) * 1024), ("bin/ctr", elf()))

EXE = ArtifactSpec(
    name="kubelet.exe",
    version="1.36.4",
    url="https://up/v1.36.4/kubelet.exe",
    checksum_url="https://up/v1.36.4/kubelet.exe.sha256",
    os="windows",
)
TAR = ArtifactSpec(
    name="containerd-linux.tar.gz",
    version="2.3.4",
    url="https://up/v2.3.4/containerd-2.3.4-linux-amd64.tar.gz",
    checksum_url="https://up/v2.3.4/containerd-2.3.4-linux-amd64.tar.gz.sha256sum",
    os="linux",
    member="bin/containerd",
)
ZIP = replace(TAR, name="cni.zip", url="https://up/cni.zip", checksum_url="https://up/cni.zip.sha256", member="a")


class Broken(NamedTuple):
    """What is wrong: ``body`` is what the publisher has instead (its checksum agrees), ``serve`` how it answers."""

    says: str
    spec: ArtifactSpec = EXE
    body: bytes | None = None
    serve: Serve | None = None
    checksum: Serve | None = None


def plain(code: int, body: bytes = b"", **headers: str) -> Serve:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.say(code, body, named)


def cut(exchange: Exchange) -> None:
    exchange.say(200, PROGRAM[:300_000], {"Accept-Ranges": "none"}, promised=len(PROGRAM))


def reset(exchange: Exchange) -> None:
    exchange.say(200, PROGRAM[:1000], promised=len(PROGRAM))
    exchange.reset()


def other_range(exchange: Exchange) -> None:
    if exchange.start:
        exchange.say(206, PROGRAM[:100], {"Content-Range": f"bytes 0-99/{len(PROGRAM)}"})
    else:
        exchange.say(200, PROGRAM[:1000], promised=len(PROGRAM))


def unasked_range(exchange: Exchange) -> None:
    exchange.say(206, PROGRAM[500:], {"Content-Range": f"bytes 500-{len(PROGRAM) - 1}/{len(PROGRAM)}"})


def circle(exchange: Exchange) -> None:
    exchange.say(302, b"", {"Location": f"{exchange.path}"})


def bomb() -> bytes:
    zeros = tarfile.TarInfo("bin/zeros")
    zeros.size = 200 << 20
    return tar_gz(zeros)


def endless() -> bytes:
    raw = gzip.decompress(ARCHIVE)
    return gzip.compress(raw + bytes(100 << 20), 1)


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in members:
            # A name alone would be dated now, to two seconds: the same archive has to be the same bytes each time.
            archive.writestr(zipfile.ZipInfo(name) if isinstance(name, str) else name, data)
    return raw.getvalue()


def zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info


HTML = b"<!DOCTYPE html>\n<html><title>Sign in</title></html>"
XML = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>'
FLIPPED = PROGRAM[:-1] + b"!"

BROKEN: dict[str, Broken] = {
    "other content": Broken(
        "is not the one expected.*its publisher says [0-9a-f]{64}, the file has", serve=good(FLIPPED)
    ),
    "one byte more": Broken("is not the one expected", serve=good(PROGRAM + b"!")),
    "empty": Broken("is empty", serve=plain(200)),
    "empty, of no known length": Broken(
        "is empty", serve=lambda e: e.say(200, b"", {"Content-Length": "", "Connection": "close"})
    ),
    "a sign-in page": Broken(
        "a web page came instead", serve=plain(200, HTML, Content_Type="text/html; charset=utf-8")
    ),
    "a sign-in page, called a file": Broken("a web page came instead.*DOCTYPE html", serve=plain(200, HTML)),
    "an object store's complaint, called a file": Broken("a web page came instead.*<[?]xml", serve=plain(200, XML)),
    "404": Broken("the server says 404", serve=plain(404)),
    "403": Broken("the server says 403", serve=plain(403)),
    "401": Broken("the server says 401.*user:password@host", serve=plain(401)),
    "429, for an hour": Broken("429.*asks us to wait 3600 s", serve=plain(429, Retry_After="3600")),
    "429, again and again": Broken("cannot fetch.*429", serve=plain(429, Retry_After="1")),
    "503, again and again": Broken("cannot fetch.*503", serve=plain(503)),
    "sent in circles": Broken("sends us in circles", serve=circle),
    "always cut short": Broken("cut short: 300000 of 1048846 bytes", serve=cut),
    "always reset": Broken("cannot fetch", serve=reset),
    "another part than asked for": Broken("another part than the one asked for", serve=other_range),
    "a part nobody asked for": Broken("another part than the one asked for", serve=unasked_range),
    "a checksum of another file": Broken(
        "no SHA-256 of kubelet.exe.*it is about kubeadm.exe", checksum=sums(PROGRAM, "kubeadm.exe")
    ),
    "a checksum page": Broken("a web page came instead", checksum=plain(200, HTML)),
    "an empty checksum": Broken("no SHA-256 of kubelet.exe", checksum=plain(200)),
    "no checksum file": Broken("kubelet.exe.sha256: the server says 404", checksum=plain(404)),
    "two checksums": Broken(
        "two digests of kubelet.exe", checksum=good((f"{'a' * 64}  kubelet.exe\n{'b' * 64}  kubelet.exe\n").encode())
    ),
    "a checksum that is no text": Broken("is no text", checksum=good(b"\xff\xfe\x00")),
    "a checksum without an end": Broken("too large for a text file", checksum=good(bytes(2 << 20))),
    "a program for Linux": Broken("no program for windows/amd64.*it is linux/amd64", body=elf()),
    "a program for another processor": Broken("no program for windows/amd64.*windows/arm64", body=exe(0xAA64)),
    "no program at all": Broken("no program for windows/amd64.*it is no program", body=b"#!/bin/sh\n"),
    "an archive cut at its publisher's": Broken("its archive is cut short", TAR, ARCHIVE[:-200]),
    "an archive with flipped bits": Broken(
        "its archive is damaged", TAR, ARCHIVE[:400] + bytes([ARCHIVE[400] ^ 255]) + ARCHIVE[401:]
    ),
    "an archive whose own checksum is wrong": Broken(
        "its archive is damaged", TAR, ARCHIVE[:-8] + b"\0\0\0\0" + ARCHIVE[-4:]
    ),
    "a zip called tar.gz": Broken("no tar.gz archive.*a zip archive", TAR, zipped(("bin/containerd", elf()))),
    "words called tar.gz": Broken("no tar.gz archive", TAR, b"Not Found"),
    "a compressed file that is no tar": Broken("archive is (damaged|cut short)", TAR, gzip.compress(b"words" * 500)),
    "an archive without a file": Broken("an archive without a file", TAR, tar_gz(special("bin", tarfile.DIRTYPE))),
    "a member that climbs out": Broken(r"'../../etc/cron.d/x' climbs out", TAR, tar_gz(("../../etc/cron.d/x", b"x"))),
    "an absolute member": Broken("'/etc/passwd' climbs out", TAR, tar_gz(("/etc/passwd", b"x"))),
    "a member for a drive": Broken("climbs out", TAR, tar_gz(("C:\\Windows\\x.exe", b"x"))),
    "a link that leads out": Broken(
        "links out of its folder", TAR, tar_gz(special("bin/x", tarfile.SYMTYPE, "../../etc"))
    ),
    "an absolute link": Broken("links out of its folder", TAR, tar_gz(special("bin/x", tarfile.SYMTYPE, "/etc"))),
    "a hard link that leads out": Broken(
        "links out of its folder", TAR, tar_gz(special("bin/x", tarfile.LNKTYPE, "../etc/shadow"))
    ),
    "a file written through a link": Broken(
        "written through a link", TAR, tar_gz(special("bin", tarfile.SYMTYPE, "opt"), ("bin/containerd", elf()))
    ),
    "a device": Broken("'dev/sda' is a device", TAR, tar_gz(special("dev/sda", tarfile.BLKTYPE))),
    "a pipe": Broken("'run/x' is a pipe", TAR, tar_gz(special("run/x", tarfile.FIFOTYPE))),
    "an archive without its member": Broken("has no file bin/containerd", TAR, tar_gz(("bin/ctr", elf()))),
    "an archive with an empty member": Broken("bin/containerd is no program", TAR, tar_gz(("bin/containerd", b""))),
    "a member for another processor": Broken("no program for linux/amd64", TAR, tar_gz(("bin/containerd", elf(183)))),
    "a bomb": Broken("unpacks to far more", TAR, bomb()),
    "an archive that goes on": Broken("goes on long after its archive's end", TAR, endless()),
    "a zip that climbs out": Broken("climbs out", ZIP, zipped(("../a", b"x"))),
    "a zip that links out": Broken("links out of its folder", ZIP, zipped((zip_link(), b"../../etc"))),
    "a zip with flipped bits": Broken(
        "its archive is damaged", ZIP, zipped(("a", b"x" * 99)).replace(b"xxx", b"xyx", 1)
    ),
    "words called zip": Broken("its archive is damaged", ZIP, b"Not Found"),
}
