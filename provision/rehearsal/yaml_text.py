"""YAML as the modelled programs read it: by libyaml where PyYAML has it, which is ten times faster.

A modelled kubectl reads its kubeconfig at every call, as the real one does.
"""

from __future__ import annotations

from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str | bytes) -> Any:
    """The one document of a text.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 -- both loaders are safe ones


def load_all(text: str | bytes) -> list[Any]:
    """All documents of a text, empty ones left out.

    Raises:
        yaml.YAMLError: one of them cannot be read.
    """
    return [document for document in yaml.load_all(text, Loader=_Loader) if document]
