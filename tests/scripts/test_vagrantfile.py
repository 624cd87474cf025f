"""Every rendered Vagrantfile: Ruby's own parser, Vagrant's own judgement, and what Vagrant does not judge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provision.host.commands import run
from provision.knowledge.provider_options import NEWER
from provision.knowledge.provider_options import OPTIONS as KEYS
from provision.machines.vagrant import ENVIRONMENT
from provision.machines.vagrantfile import vagrantfile
from tests.needs import lack, need
from tests.vagrantfiles import VARIANTS

# Debian's Vagrant ships without the winrm gem and refuses any machine with that communicator.  For `validate` it is
# enough that the names exist.
_WINRM = """
module WinRM
  class WinRMHTTPTransportError < StandardError; end
  class WinRMAuthorizationError < StandardError; end
  class WinRMWSManFault < StandardError; end
end
module HTTPClient
  class KeepAliveDisconnected < StandardError; end
end
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    stub = tmp_path_factory.mktemp("winrm")
    (stub / "winrm.rb").write_text(_WINRM)
    for name in ("winrm-elevated.rb", "winrm-fs.rb"):
        (stub / name).write_text("")
    home = tmp_path_factory.mktemp("vagrant-home")
    return {**ENVIRONMENT, "RUBYLIB": str(stub), "VAGRANT_HOME": str(home)}


@pytest.mark.parametrize("name", VARIANTS)
def test_vagrant_validates_it(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    provider = name.split("-")[0]
    if provider == "vmware_desktop":
        # Vagrant refuses a provider whose plugin is not installed; its block is checked by its keys below, and the
        # rest of the file as if it were VirtualBox's.
        text = vagrantfile(VARIANTS[name]).replace('"vmware_desktop"', '"virtualbox"')
        provider = "virtualbox"
    else:
        text = vagrantfile(VARIANTS[name])
    need("vagrant", "vagrant vagrant-libvirt")
    (tmp_path / "Vagrantfile").write_text(text)
    ignore = [] if provider == "libvirt" else ["--ignore-provider"]
    done = run(
        ["vagrant", "validate", *ignore],
        timeout=60,
        cwd=tmp_path,
        env={**environment, "VAGRANT_DEFAULT_PROVIDER": provider},
    )
    assert done.code == 0, done.out + done.err
    assert "validated successfully" in done.out


@pytest.mark.parametrize("name", VARIANTS)
def test_every_key_of_the_providers_block_exists(name: str) -> None:
    provider = name.split("-")[0]
    keys = set(re.findall(r"^ {6}v\.(\w+)", vagrantfile(VARIANTS[name]), re.MULTILINE))
    assert keys, "the block has been found"
    assert keys - {"vmx"} <= KEYS[provider]


def test_an_unknown_key_would_be_caught(tmp_path: Path, environment: dict[str, str]) -> None:
    """That `validate` judges at all: a typo in the active provider's block fails."""
    need("vagrant", "vagrant vagrant-libvirt")
    text = vagrantfile(VARIANTS["libvirt-default"]).replace("v.memory =", "v.memroy =")
    (tmp_path / "Vagrantfile").write_text(text)
    env = {**environment, "VAGRANT_DEFAULT_PROVIDER": "libvirt"}
    assert run(["vagrant", "validate"], timeout=60, cwd=tmp_path, env=env).code != 0


@pytest.mark.parametrize(
    ("provider", "pattern"),
    [
        ("virtualbox", "vagrant-2*/plugins/providers/virtualbox"),
        ("hyperv", "vagrant-2*/plugins/providers/hyperv"),
        ("libvirt", "vagrant-libvirt-*/lib/vagrant-libvirt"),
    ],
)
def test_our_table_of_keys_is_the_plugins_own(provider: str, pattern: str) -> None:
    gems = Path("/usr/share/rubygems-integration/all/gems")
    files = [folder / "config.rb" for folder in gems.glob(pattern)]
    if not files:
        lack("apt-get install vagrant vagrant-libvirt")
    text = files[0].read_text()
    expected = KEYS[provider] - NEWER.get(provider, frozenset())
    unknown = {key for key in expected if f":{key}" not in text and f"def {key}" not in text}
    assert not unknown
