"""A real machine, by real Vagrant, libvirt and QEMU, driven over real SSH. The tests run in this order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.artifacts.cache import Cache
from provision.artifacts.catalog import needed
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.clock import Deadline
from provision.errors import MachineError
from provision.facts.base import World, parse_facts
from provision.facts.linux import Containerd, Network, Os
from provision.guests.base import Script
from provision.guests.connect import wait_for
from provision.machines.vagrant import VagrantProvider
from provision.steps.base import Plan, Step
from provision.steps.context import Tools
from provision.steps.host import fetch_steps, prepare_step, up_step
from provision.steps.linux_node import linux_steps
from provision.steps.observe import observe
from provision.steps.probe import probe_script
from provision.steps.runner import Runner, RunResult, StepEnd
from provision.steps.world import WorldHolder
from tests.real.machine import NAME, RealMachine
from tests.real.origin import serving

pytestmark = pytest.mark.timeout(900)

# What is true of the box from the start; everything else is made true by our steps.
ALREADY = {"provider", f"up@{NAME}", f"programs@{NAME}", f"registries@{NAME}"}


class Quiet:
    """Nobody watches; what was said is kept for a failing test."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, step: str, text: str) -> None:
        self.lines.append(f"{step}: {text}")

    def waits(self, step: str, what: str) -> None:
        """Not kept."""

    def step_started(self, step: Step, reason: str) -> None:
        self.lines.append(f"{step.name} starts: {reason}")

    def step_ended(self, end: StepEnd) -> None:
        self.lines.append(f"{end.step.name} {end.outcome} in {end.seconds:.1f} s: {end.reason} {end.error or ''}")


def _silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def mirrors(real_machine: RealMachine) -> Iterator[dict[str, str]]:
    box = real_machine.box
    real = {"containerd-linux.tar.gz": box.containerd, "runc": box.runc}
    with serving(real_machine.settings, real) as found:
        yield found


def _converge(real_machine: RealMachine, mirrors: dict[str, str]) -> tuple[RunResult, Tools, Quiet]:
    """What `up` does, as far as a machine without Kubernetes' own programs can go: a new process's view each time."""
    settings = real_machine.settings
    specs = needed(settings)
    folder = real_machine.folder
    # Most of what is served are stand-ins, which are no programs: a lock that is not a rehearsal's refuses them.
    lock = ArtifactLock(folder / "artifacts.lock.yaml", rehearsed=True)
    store = ArtifactStore(specs, Cache(folder / "cache"), lock, mirrors=lambda: mirrors)
    steps = [*fetch_steps(specs), prepare_step(settings), up_step(settings, real_machine.machine)]
    plan = Plan((*steps, *linux_steps(settings, real_machine.machine)))
    quiet = Quiet()
    tools = Tools(
        settings=settings, provider=real_machine.provider(), store=store, world=WorldHolder(World()), says=quiet
    )
    runner = Runner(plan, tools, quiet)
    unread = observe(tools, runner).unread
    assert not unread, unread
    result = runner.run()
    assert not result.failures and not result.blocked, "\n".join(quiet.lines)
    return result, tools, quiet


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
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(180, "the guest"))
    try:
        result = guest.run(Script("who.sh", "id -un; uname -s; exit 3\n"), Deadline(180, "a command"))
        assert (result.out.split(), result.code) == (["root", "Linux"], 3)
    finally:
        guest.close()


def test_the_whole_probe_of_facts(real_machine: RealMachine) -> None:
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(180, "the guest"))
    try:
        probed = guest.run(probe_script(real_machine.machine), Deadline(180, "the probe")).require()
    finally:
        guest.close()
    facts = parse_facts(probed.out)
    assert facts["os"]["id"] == "debian" and facts["os"]["version"] == "12"
    # There is no cluster to ask yet; everything about the machine itself is known.
    assert not [name for name, row in facts.items() if "unknown" in row and not name.startswith("cluster.")]
    macs = {card["mac"] for card in facts["network"]["cards"].values()}
    assert real_machine.machine.mac in macs


def test_our_steps_prepare_the_machine(real_machine: RealMachine, mirrors: dict[str, str]) -> None:
    result, tools, quiet = _converge(real_machine, mirrors)
    print("\n".join(line for line in quiet.lines if " done in " in line))
    assert {name for name, end in result.ends.items() if end.outcome == "already"} == ALREADY
    facts = tools.world.now.machine(NAME)
    # Debian's containerd, installed by our own step from a release-like archive, runs with our configuration.
    containerd = facts.get(Containerd)
    assert (containerd.version.split("+")[0], containerd.cri) == (real_machine.box.containerd_version, True)
    card = facts.get(Network).cards["kube"]
    assert (card.mac, card.addresses) == (real_machine.machine.mac, ("192.168.56.10/24",))
    assert facts.get(Os).hostname == NAME


def test_a_second_run_changes_nothing(real_machine: RealMachine, mirrors: dict[str, str]) -> None:
    result, tools, _ = _converge(real_machine, mirrors)
    assert result.applied == []
    assert tools.commands == {NAME: 1}


def test_a_reboot_is_proved(real_machine: RealMachine) -> None:
    guest = wait_for(real_machine.provider().endpoint(real_machine.machine), Deadline(180, "the guest"))
    try:
        before = guest.boot_id(Deadline(180, "the boot id"))
        guest.reboot(Deadline(420, "the reboot"))
        assert guest.boot_id(Deadline(180, "the boot id")) != before
    finally:
        guest.close()
    assert real_machine.provider().states() == {NAME: "running"}


def test_everything_is_still_true_after_the_reboot(real_machine: RealMachine, mirrors: dict[str, str]) -> None:
    result, _, _ = _converge(real_machine, mirrors)
    assert result.applied == []


def test_halt_and_up_again(real_machine: RealMachine) -> None:
    provider = real_machine.provider()
    provider.halt(real_machine.machine, Deadline(420, "the halt"), _silent)
    assert provider.states() == {NAME: "off"}
    lines: list[str] = []
    real_machine.start(lines.append)
    assert provider.states() == {NAME: "running"}
    # It was started, not made again.
    assert not any("Creating image" in line for line in lines)


def test_destroy_leaves_nothing(real_machine: RealMachine) -> None:
    provider: VagrantProvider = real_machine.provider()
    provider.destroy(real_machine.machine, Deadline(420, "the destruction"), _silent)
    assert provider.states() == {NAME: "absent"}
    with pytest.raises(MachineError):
        real_machine.provider().endpoint(real_machine.machine)
    # Twice is once.
    provider.destroy(real_machine.machine, Deadline(420, "the destruction"), _silent)
