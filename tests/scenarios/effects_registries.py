"""Beginnings of the scripts of images and registries."""

from __future__ import annotations

import hashlib

from provision.rehearsal import container_images
from provision.settings.registries import der_of
from tests.scenarios import effects_spoil as spoil
from tests.scenarios.effects import Beginning, Prepare, after, one
from tests.scenarios.effects_images import PAUSE
from tests.scenarios.windows_bench import MASTER, Bench

# Made for these tests alone, of a key that nobody kept.
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBhjCCASugAwIBAgIUfnjdVEYhdkzPXkLmJ/GZ72Gl7/0wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMaHlicmlkLXRlc3RzMCAXDTI2MTEyMTEyMzIwOFoYDzIxMjYx
MDI4MTIzMjA4WjAXMRUwEwYDVQQDDAxoeWJyaWQtdGVzdHMwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASJQEhZpmGVR/0Yiec7UOJAuX+ucrTten5+nioSHm67D8vU
uU1yC9d78WtHpCbmraBStqacVK3Kyixu7+ID2zURo1MwUTAdBgNVHQ4EFgQUJxZi
vnoQEURFKYAzW2g24xPM8yAwHwYDVR0jBBgwFoAUJxZivnoQEURFKYAzW2g24xPM
8yAwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAiiFJ5D3fCRlD
pzYCsfgCV0XS8fDG8+FSEOULQAzssNYCIQCYVL1w4oHFHH6WfKpyEoVvdfLMeswG
J+/YkpDlGtchgQ==
-----END CERTIFICATE-----
"""
HOSTS = '# hybrid: where images of registry.k8s.io are asked for\nserver = "https://registry.k8s.io"\n'
FOLDER = {"name": "registry.k8s.io", "text": HOSTS, "ca": ""}
CERTS = "C:\\etc\\containerd\\certs.d"


def image_beginnings() -> list[Beginning]:
    """All of them."""
    name = hashlib.sha1(der_of(AUTHORITY), usedforsecurity=False).hexdigest()
    authority = {"name": name, "text": AUTHORITY}
    archive = {"name": "pause.tar", "digest": "a" * 64}
    address = f"http://{MASTER}:8080/secret"
    return [
        Beginning(
            "images",
            "containerd",
            (
                after("images", _archive("pause.tar"), archives=[archive]),
                after("probe"),
                after("export", spoil.written("C:\\ProgramData\\hybrid\\export\\old.tar", b"old")),
                after("export", address=address),
                after("folder-gone"),
                after("prepull"),
                after("prepull", images=["registry.k8s.io/pause:none"]),
            ),
        ),
        one("images-absent", "containerd", "images", archives=[archive]),
        one("images-of-another-system", "containerd", "images", _archive("pause.tar", "linux"), archives=[archive]),
        one("images-export-refused", "containerd", "export", _pulled, address=f"http://{MASTER}:8081/secret"),
        Beginning(
            "registries",
            "reboot",
            (
                after("registries", authorities=[authority], folders=[{**FOLDER, "ca": AUTHORITY}]),
                after("probe"),
                after("registries", authorities=[authority], folders=[{**FOLDER, "ca": AUTHORITY}]),
                after("registries", folders=[{**FOLDER, "text": HOSTS + "# other\n"}]),
                after(
                    "registries",
                    spoil.written(f"{CERTS}\\own.example\\hosts.toml", b'server = "https://own.example"\n'),
                    spoil.written(f"{CERTS}\\registry.k8s.io\\ca.pem", b"old\n"),
                ),
                after("probe"),
            ),
        ),
    ]


def _archive(name: str, os: str = "windows") -> Prepare:
    """An archive that was delivered, with its record."""

    def prepare(bench: Bench) -> None:
        content = container_images.archive(PAUSE, "windows" if os == "windows" else "linux")
        spoil.written(f"{spoil.FILES}\\{name}", content)(bench)
        spoil.written(f"{spoil.FILES}\\{name}.record", b"{}")(bench)

    return prepare


def _pulled(bench: Bench) -> None:
    from provision.rehearsal.models.windows_containerd import images

    images(bench.machine).pull(PAUSE)
