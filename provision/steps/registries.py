"""Where containerd asks for images, with which authorities and secrets: one block of settings for both systems.

Pull secrets go into hosts.toml as a header: containerd's own setting for them (``registry.configs.*.auth``) is
deprecated and leaves with containerd 2.3, and ImagePullSecrets do not work with mirrors. Sources: containerd
docs/hosts.md, pull request containerd/containerd#12366, kubernetes-sigs/kubespray#12575.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from provision.facts.base import World
from provision.facts.files import Registries
from provision.render.engine import render
from provision.settings.model import Machine, Os, Settings
from provision.settings.registries import Registry, authorization, der_of, registries
from provision.steps.base import Context, Judgement, ScriptCall, Step
from provision.steps.verdict import verdict

FOLDERS: dict[Os, str] = {"linux": "/etc/containerd/certs.d", "windows": "C:/etc/containerd/certs.d"}


@dataclass(frozen=True)
class Folder:
    """What stands in a registry's folder: ``hosts.toml`` and, where mirrors have authorities, ``ca.pem``."""

    name: str
    text: str
    ca: str

    def digests(self) -> dict[str, str]:
        """``<folder>/<file>`` -> SHA-256, as the machine says them."""
        files = {"hosts.toml": self.text, "ca.pem": self.ca}
        return {f"{self.name}/{file}": _sha256(text) for file, text in files.items() if text}


def folders(settings: Settings, os: Os, *, secrets: bool = True) -> tuple[Folder, ...]:
    """The folders of all registries.

    Args:
        secrets: False puts a placeholder where a secret would stand.
    """
    return tuple(_folder(settings, row, os, secrets) for row in registries(settings.network))


def _folder(settings: Settings, row: Registry, os: Os, secrets: bool) -> Folder:
    network = settings.network
    # On Windows a name may hold no colon; containerd looks for this form on both systems.
    host, colon, port = row.host.partition(":")
    name = f"{host}_{port}_" if colon else host
    trusted = network.authorities.get(str(row.ca or network.ca or ""), ())
    path = f"{FOLDERS[os]}/{name}/ca.pem" if trusted else ""
    entries = [
        {
            "url": url,
            "ca": path,
            "skip_verify": row.skip_verify,
            # A URL that names the API's root itself, as Harbor's do: https://mirror/v2/<project>.
            "override_path": "/v2/" in urlsplit(url).path,
            "authorization": _authorization(settings, urlsplit(url).netloc, secrets),
        }
        for url in row.mirrors
    ]
    own = _authorization(settings, row.host, secrets)
    if own:
        entries.append(
            {"url": row.server, "ca": path, "skip_verify": False, "override_path": False, "authorization": own}
        )
    text = render("containerd/hosts.toml", host=row.host, server=row.server, entries=entries)
    return Folder(name, _whole(text), _whole("".join(trusted)) if trusted else "")


def _whole(text: str) -> str:
    """A document as the scripts leave it on a machine: one line's end behind the last line."""
    return text.strip("\n") + "\n"


def _authorization(settings: Settings, host: str, secrets: bool) -> str:
    secret = settings.network.pull_secrets.get(host)
    if secret is None:
        return ""
    return authorization(secret) if secrets else "<pull secret>"


def authorities(settings: Settings, os: Os) -> dict[str, str]:
    """The authorities that the whole machine trusts: name (on Windows the thumbprint) -> PEM."""
    network = settings.network
    texts = network.authorities.get(str(network.ca), ()) if network.ca is not None else ()
    if os == "windows":
        # SHA-1 is how Windows names certificates; nothing is proved by it.
        return {hashlib.sha1(der_of(text), usedforsecurity=False).hexdigest(): text for text in texts}
    return {f"hybrid-{hashlib.sha256(der_of(text)).hexdigest()[:12]}": text for text in texts}


def registries_step(settings: Settings, machine: Machine) -> Step:
    """containerd knows the mirrors, the machine trusts the authorities; nothing of ours is left that nobody wants."""
    trusted = authorities(settings, machine.os)
    wanted: dict[str, str] = {}
    for folder in folders(settings, machine.os):
        wanted |= folder.digests()
    windows = machine.os == "windows"
    shown = folders(settings, machine.os, secrets=False)
    call = ScriptCall(
        template="windows/45-registries.ps1" if windows else "linux/45-registries.sh",
        parameters={"authorities": [{"name": name, "text": text} for name, text in trusted.items()]},
        runtime={"folders": [_row(folder) for folder in shown]},
        documents={f"{folder.name}/hosts.toml": folder.text for folder in shown},
    )

    def check(_: Settings, world: World) -> Judgement:
        now = world.machine(machine.name).get(Registries)
        wrong = [f"{name} is not as it should be" for name, digest in wanted.items() if now.files.get(name) != digest]
        wrong += [f"{name} is not wanted any more" for name in now.files if name not in wanted]
        wrong += [f"the authority {name} is not trusted" for name in trusted if not now.authorities.get(name)]
        wrong += [f"the authority {name} is not wanted any more" for name in now.authorities if name not in trusted]
        hosts = len(registries(settings.network))
        ours = f"{hosts} registries and {len(trusted)} authorities are known"
        return verdict(wrong, ours if wanted or trusted else "registries are asked as they come")

    def apply(ctx: Context) -> None:
        ctx.run(call, folders=[_row(folder) for folder in folders(settings, machine.os)])

    before = (f"card@{machine.name}",) if windows else (f"programs@{machine.name}",)
    return Step(
        name=f"registries@{machine.name}",
        title="registries, their mirrors and authorities are known",
        lane="system",
        machine=machine.name,
        needs=before,
        reads=frozenset({"registries"}),
        changes=("registries",),
        check=check,
        scripts=(call,),
        apply=apply,
        timeout=300,
    )


def _row(folder: Folder) -> dict[str, str]:
    return {"name": folder.name, "text": folder.text, "ca": folder.ca}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
