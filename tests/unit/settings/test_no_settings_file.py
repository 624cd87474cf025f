"""What has the settings file's name or place and is none, or is far too much."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.errors import SettingsError
from provision.settings.load import load


def refused(folder: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(None, environment={}, workspace=folder)
    return caught.value


def test_a_folder_a_pipe_and_a_dead_link_are_refused_and_never_taken_for_no_file(tmp_path: Path) -> None:
    file = tmp_path / "variables.yaml"
    file.mkdir()
    assert f"{file}: not a file" in str(refused(tmp_path))
    file.rmdir()
    os.mkfifo(file)
    assert f"{file}: not a file" in str(refused(tmp_path))
    file.unlink()
    file.symlink_to("nowhere")
    assert f"{file}: a link that leads nowhere" in str(refused(tmp_path))


def test_a_file_of_megabytes_is_refused_before_it_is_read_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "variables.yaml").write_bytes(b"a" * 2_000_000)
    assert "larger than 1024 KiB" in str(refused(tmp_path))


def test_anchors_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["kubernetes:", "  kubelet_config:", "    a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"    {name}: &{name} [{','.join([f'*{before}'] * 10)}]")
    (tmp_path / "variables.yaml").write_text("\n".join(lines))
    assert "anchors make more than 100000 values" in str(refused(tmp_path))
