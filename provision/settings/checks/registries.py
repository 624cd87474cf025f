"""Registries and authorities that containerd cannot use, and mirrors that nobody would ask."""

from __future__ import annotations

from collections.abc import Iterator

from provision.settings import registries as registries_of
from provision.settings.checks import Finding
from provision.settings.model import Settings


def registries(settings: Settings) -> Iterator[Finding]:
    """Each registry has a host, mirrors with URLs, and no secret in the file."""
    for host, value in settings.network.registries.items():
        for what, remedy in registries_of.problems(host, value):
            yield Finding(("network", "registries", host), what, remedy)


def mirrors(settings: Settings) -> Iterator[Finding]:
    """What is replaced is the beginning of a URL; what is asked instead is a URL or a folder."""
    for base, instead in settings.mirrors.items():
        if not base.startswith(("http://", "https://")):
            what = "no address begins like this, so nothing would be asked there"
            yield Finding(("mirrors", base), what, f"write the scheme, too: https://{base.rpartition('://')[2]}")
        if "://" in instead and not instead.startswith(("http://", "https://", "file://")):
            scheme = instead.partition("://")[0]
            yield Finding(("mirrors", base), f"{scheme}:// cannot be asked", "write an http(s) URL, or a folder")


def containerd_config(settings: Settings) -> Iterator[Finding]:
    """What is merged into config.toml leaves to us what goes with containerd's version, and the registries."""
    given = settings.containerd.config
    if "version" in given:
        yield Finding(
            ("containerd", "config"), "version is decided by containerd's own version", "take version out of it"
        )
    plugins = given.get("plugins", {})
    if not isinstance(plugins, dict):
        yield Finding(("containerd", "config"), "plugins is no table", "write plugins: {<name>: {...}}")
        return
    for name, table in plugins.items():
        registry = table.get("registry") if isinstance(table, dict) else None
        if registry:
            yield Finding(
                ("containerd", "config"),
                f"{name} has a registry of its own",
                "write mirrors and authorities into network.registries, for both systems",
                (("network", "registries"),),
            )
