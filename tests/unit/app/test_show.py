"""What `invoke settings --write` says of what it did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.app.show import settings


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_copy_is_named_only_where_there_is_one(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings(write=True) == 0
    assert "old file" not in capsys.readouterr().out and not list(workspace.glob("*.bak*"))
    (workspace / "variables.yaml").write_text("cni: calico  # mine\n")
    assert settings(write=True) == 0
    assert "the old file is variables.yaml.bak beside it" in capsys.readouterr().out


def test_what_was_written_is_json_where_that_was_asked_for(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = workspace / "variables.yaml"
    assert settings(write=True, json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"settings": str(file), "kept": None}
    file.write_text("cni: calico\n")
    assert settings(write=True, json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"settings": str(file), "kept": f"{file}.bak"}
