"""kubeadm's patches: files of a folder, merged into what kubeadm writes.

Source: kubernetes.io/docs/setup/production-environment/tools/kubeadm/control-plane-flags (customizing with patches):
``target[suffix][+type].extension``; the default type is ``strategic``.
"""

from __future__ import annotations

import re
from typing import Any

from provision.rehearsal import yaml_text
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_kubeadm_config import Config
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.shell import Unsupported

_NAME = re.compile(
    r"(?P<target>etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubeletconfiguration|corednsdeployment)"
    r"(?P<suffix>[^+]*?)(?:\+(?P<type>strategic|merge|json))?\.(?:json|yaml)"
)


def patched(box: LinuxBox, config: Config, target: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document with all patches of its target, in the order of their file names.

    Raises:
        Failed: the folder is not there, or a file in it is no patch.
    """
    folder = config.patches
    if not folder:
        return document
    if not box.files.is_folder(folder):
        raise Failed(f"could not get patches for node: open {folder}: no such file or directory")
    for name in sorted(box.files.list(folder)):
        match = _NAME.fullmatch(name)
        if match is None:
            raise Failed(f'could not parse patch files for node: unknown target or type in filename "{name}"')
        if match["target"] != target:
            continue
        if match["type"] == "json":
            raise Unsupported(f"a JSON patch, {name}", 0)
        patch = yaml_text.load(box.files.read(f"{folder}/{name}").decode())
        if not isinstance(patch, dict):
            raise Failed(f'could not apply patch "{name}": it is no object')
        document = _merged(document, patch, strategic=match["type"] != "merge")
    return document


def _merged(document: Any, patch: Any, *, strategic: bool) -> Any:
    if isinstance(document, dict) and isinstance(patch, dict):
        result = dict(document)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = _merged(result.get(key), value, strategic=strategic)
        return result
    named = [all(isinstance(one, dict) and "name" in one for one in part or [None]) for part in (document, patch)
             if isinstance(part, list)]  # fmt: skip
    if strategic and named == [True, True]:
        found = {one["name"]: one for one in document}
        for one in patch:
            found[one["name"]] = _merged(found.get(one["name"]), one, strategic=True)
        return list(found.values())
    return patch
