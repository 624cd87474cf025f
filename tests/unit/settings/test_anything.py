"""Whatever stands in a file, loading ends with settings or with a report; never with another error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.errors import SettingsError
from provision.settings import shape
from provision.settings.load import TEMPLATE, Loaded, load
from provision.settings.older import KEYS

SHIPPED = TEMPLATE.read_text(encoding="utf-8")
KNOWN = sorted(
    {key for path, _ in shape.leaves() for key in path} | set(KEYS) | {"name", "os", "role", "memory", "box"}
)
VALUES = st.sampled_from(
    ["calico", "1.36", "10.0.0.0/8", "192.168.56.300", "windows", "control-plane", "", "~", "null", "0x10", "-1", "🙂"]
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=5), inner),
    max_leaves=12,
)
SLOWLY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def attempt(
    text: str, folder: Path, overrides: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> Loaded | None:
    file = folder / "variables.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return load(file, overrides=overrides, environment=environment or {}, workspace=folder)
    except SettingsError as error:
        assert error.details and "->" in str(error)
        return None


@given(st.dictionaries(st.sampled_from(KNOWN), TREES, max_size=5))
@SLOWLY
def test_trees(tmp_path: Path, tree: dict[str, Any]) -> None:
    attempt(yaml.safe_dump(tree, allow_unicode=True), tmp_path)


@given(st.lists(st.tuples(st.integers(0, len(SHIPPED) - 1), st.integers(0, 12), st.text(max_size=4)), max_size=4))
@SLOWLY
def test_the_shipped_file_damaged(tmp_path: Path, damage: list[tuple[int, int, str]]) -> None:
    text = SHIPPED
    for start, length, instead in damage:
        text = text[:start] + instead + text[start + length :]
    attempt(text, tmp_path)


@given(st.sampled_from(KNOWN), st.text(max_size=12), st.text(max_size=12))
@SLOWLY
def test_overrides(tmp_path: Path, key: str, more: str, value: str) -> None:
    attempt("", tmp_path, (f"{key}{more}={value}", f"network.{key}={value}", f"machines.{more}.{key}={value}"))
    variables = {f"HYBRID_{key.upper()}": value, f"HYBRID_MACHINES__CP1__{key.upper()}": value}
    attempt("", tmp_path, environment=variables)


@pytest.mark.parametrize(
    "text",
    [
        "network: " + "[" * 3000,
        "kubernetes: {kubelet_config: " + "{a: " * 3000,
        "kubernetes:\n  kubelet_config: &a {b: *a}\n",
        "machines: &m\n- *m\n",
        "cluster: !!python/object:os.system {}\n",
        "kubernetes:\n  kubelet_config: !!python/object/apply:os.system [x]\n",
        "kubernetes:\n  kubelet_config: {d: 2026-13-45, b: !!binary '@'}\n",
        "? [a]\n: b\n",
        "<<: 1\n",
        "<<: {cni: calico}\n",
        "kubernetes: {<<: [a]}\n",
        "machines: []\n",
        "machines: [1, null, [], {}]\n",
        "provider_options: {libvirt: {2026-01-01: 2026-01-01}}\n",
        "images: {archives: [null, 1, {}]}\n",
        "rehearsal: {scale: .nan}\n",
        "timeouts: {boot: .inf}\n",
        "\ufeffcni: calico\n",
        "\r\ncni: calico\r\n",
    ],
)
def test_oddities(text: str, tmp_path: Path) -> None:
    attempt(text, tmp_path)


def test_line_ends_of_windows_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "variables.yaml").write_bytes(b"\xef\xbb\xbfcluster:\r\n  name: mine\r\n")
    loaded = load(None, environment={}, workspace=tmp_path)
    assert loaded.settings.cluster.name == "mine"
    assert str(loaded.origins["cluster.name"]) == "variables.yaml:2"
