"""What the settings name and do not hold: pull secrets from the environment, authorities from PEM files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath

from provision.secrets import Secret
from provision.settings.document import Document
from provision.settings.layers import REGISTRY
from provision.settings.model import Settings
from provision.settings.problems import Origin, Path, Problem
from provision.settings.registries import certificates, registries, secret_variable


def with_trust(
    settings: Settings, environment: Mapping[str, str], document: Document, base: FilePath
) -> tuple[Settings, list[Problem]]:
    """The settings with secrets and authorities, and what is wrong with those.

    Args:
        base: the folder that relative paths of a registry's ``ca`` start from.
    """
    network = settings.network
    rows = registries(network)
    problems: list[Problem] = []
    hosts = {secret_variable(host): host for row in rows for host in row.hosts}
    secrets = {}
    for variable in sorted(name for name in environment if name.startswith(REGISTRY)):
        value, origin = environment[variable], Origin("environment", variable)
        if variable not in hosts:
            named = ", ".join(sorted(hosts)) or "none is named in network.registries"
            problems.append(Problem(origin, (), "a pull secret for a registry that is not named", f"known: {named}"))
        elif ":" not in value.strip(":"):
            problems.append(Problem(origin, (), "not of the form user:password", "write both, with a colon between"))
        else:
            secrets[hosts[variable]] = Secret(value)
    files: dict[FilePath, Path] = {row.ca: ("network", "registries", row.host) for row in rows if row.ca}
    if network.ca is not None:
        files[network.ca] = ("network", "ca")
    authorities = {}
    for file, path in files.items():
        try:
            authorities[str(file)] = certificates((base / file).read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            what = f"{file} cannot be read: {error.strerror or error}"
            problems.append(Problem(document.origin(path), path, what, "write the path of a PEM file"))
        except ValueError as error:
            what = f"{file} is no PEM file of certificates: {error}"
            problems.append(Problem(document.origin(path), path, what, "write the path of a PEM file"))
    if not secrets and not authorities:
        return settings, problems
    changed = network.model_copy(update={"pull_secrets": secrets, "authorities": authorities})
    return settings.model_copy(update={"network": changed}), problems
