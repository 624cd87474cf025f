"""A real machine, by real Vagrant, libvirt and QEMU, driven over real SSH. The tests run in this order."""

from __future__ import annotations

import pytest

from provision.clock import Deadline
from provision.errors import MachineError
from provision.facts.base import parse_facts
from provision.guests.base import Script
from provision.guests.connect import wait_for
from provision.machines.vagrant import VagrantProvider
from provision.steps.probe import probe_script
from tests.real.machine import NAME, RealMachine

pytestmark = pytest.mark.timeout(900)


def _silent(_: str) -> None:
    pass


def test_the_provider_streams_what_vagrant_says(real_machine: RealMachine) -> None:
    said = "\n".join(real_machine.lines)
    assert "importing box hybrid/debian-12" in said
    assert "Waiting for machine to boot" in said
    assert "Machine booted and ready!" in said
    assert "\x1b" not in said
    # Progress is passed on in steps of ten percent, not in thousands of lines.
    assert sum("Progress" in line for line in real_machine.lines) < 40
    assert "$ vagrant up cp1" in (real_machine.workspace.folder / "vagrant.log").read_text()


def test_states_come_from_one_query(real_machine: RealMachine) -> None:
    assert real_machine.provider().states() == {NAME: "running"}


def test_the_endpoint_is_what_ssh_config_says(real_machine: RealMachine) -> None:
    endpoint = real_machine.provider().endpoint(real_machine.machine)
    assert (endpoint.host, endpoint.user, endpoint.transport) == ("127.0.0.1", "vagrant", "ssh")
    # Vagrant has replaced its well-known key.
    assert endpoint.key_file is not None and ".vagrant/machines/cp1" in str(endpoint.key_file)


def test_a_command_and_its_exit_code_over_ssh(real_machine: RealMachine) -> None:
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(60, "the guest"))
    try:
        result = guest.run(Script("who.sh", "id -un; uname -s; exit 3\n"), Deadline(60, "a command"))
        assert (result.out.split(), result.code) == (["root", "Linux"], 3)
    finally:
        guest.close()


def test_the_whole_probe_of_facts(real_machine: RealMachine) -> None:
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(60, "the guest"))
    try:
        probed = guest.run(probe_script(real_machine.machine, ()), Deadline(120, "the probe")).require()
    finally:
        guest.close()
    facts = parse_facts(probed.out)
    assert facts["os"]["id"] == "debian" and facts["os"]["version"] == "12"
    # There is no cluster to ask yet; everything about the machine itself is known.
    assert not [name for name, row in facts.items() if "unknown" in row and not name.startswith("cluster.")]
    macs = {card["mac"] for card in facts["network"]["cards"].values()}
    assert real_machine.machine.mac in macs


def test_a_reboot_is_proved(real_machine: RealMachine) -> None:
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(60, "the guest"))
    try:
        before = guest.boot_id(Deadline(60, "the boot id"))
        guest.reboot(Deadline(240, "the reboot"))
        assert guest.boot_id(Deadline(60, "the boot id")) != before
    finally:
        guest.close()
    assert real_machine.provider().states() == {NAME: "running"}


def test_halt_and_up_again(real_machine: RealMachine) -> None:
    provider = real_machine.provider()
    provider.halt(real_machine.machine, Deadline(180, "the halt"), _silent)
    assert provider.states() == {NAME: "off"}
    lines: list[str] = []
    provider.ensure_up(real_machine.machine, Deadline(300, "the start"), lines.append)
    assert provider.states() == {NAME: "running"}
    # It was started, not made again.
    assert not any("Creating image" in line for line in lines)
    guest = wait_for(provider.endpoint(real_machine.machine), Deadline(60, "the guest"))
    guest.close()


def test_destroy_leaves_nothing(real_machine: RealMachine) -> None:
    provider: VagrantProvider = real_machine.provider()
    provider.destroy(real_machine.machine, Deadline(180, "the destruction"), _silent)
    assert provider.states() == {NAME: "absent"}
    with pytest.raises(MachineError):
        real_machine.provider().endpoint(real_machine.machine)
    # Twice is once.
    provider.destroy(real_machine.machine, Deadline(60, "the destruction"), _silent)
