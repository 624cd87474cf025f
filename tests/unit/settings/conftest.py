"""Loading a settings file in an empty workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from provision.settings.load import Loaded, load

Loader = Callable[..., Loaded]


@pytest.fixture
def loading(tmp_path: Path) -> Loader:
    """``loading(text, overrides=..., environment=...)``: the text is the workspace's variables.yaml."""

    def call(
        text: str | bytes | None = None,
        *,
        overrides: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        judged: bool = True,
    ) -> Loaded:
        if text is not None:
            (tmp_path / "variables.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return load(None, overrides=overrides, environment=environment or {}, workspace=tmp_path, judged=judged)

    return call
