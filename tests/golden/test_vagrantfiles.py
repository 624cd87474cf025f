"""The Vagrantfiles that people read."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.machines.vagrantfile import vagrantfile
from tests.golden.golden import same_as
from tests.vagrantfiles import VARIANTS


@pytest.mark.parametrize("name", VARIANTS)
def test_the_vagrantfile_is_the_one_that_was_read(name: str) -> None:
    same_as(Path(__file__).parent / "vagrantfile" / f"{name}.rb", vagrantfile(VARIANTS[name]))
