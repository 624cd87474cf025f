"""The schema for editors is current and says the same as the loader about keys."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from provision.host.workspace import PRODUCT
from provision.settings.load import TEMPLATE
from provision.settings.schema import schema, schema_text

FILE = PRODUCT / "docs" / "variables.schema.json"


def test_the_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == schema_text(), (
        "write it anew: python -c 'from provision.settings.schema import schema_text; print(schema_text(), end=\"\")'"
    )


def test_the_shipped_settings_are_valid() -> None:
    jsonschema.validate(yaml.safe_load(Path(TEMPLATE).read_text(encoding="utf-8")), schema())


@pytest.mark.parametrize(
    "text",
    [
        "kubernets: {}",
        "cni: cilium",
        "network: 1",
        "machines: {}",
        "machines: [{name: a, os: windows, password: x}]",
        "features: {prepull: maybe}",
    ],
)
def test_mistakes_are_seen(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema())
