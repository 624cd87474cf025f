"""What is filled in, and what networks have to do with each other."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given, settings
from hypothesis import strategies as st

from provision.settings.checks import networks
from provision.settings.complete import complete, defaults, derived_mac
from provision.settings.model import Machine, Network, Settings

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)


@st.composite
def cidrs(draw: st.DrawFn) -> IPv4Network:
    prefix = draw(st.integers(8, 28))
    return IPv4Network((draw(st.integers(0, 2**32 - 1)), prefix), strict=False)


@given(cidrs(), cidrs(), cidrs())
def test_overlaps_are_found_and_nothing_else(pods: IPv4Network, services: IPv4Network, machines: IPv4Network) -> None:
    made = Settings(network=Network(pods=pods, services=services, machines=machines))
    found = list(networks.apart(made, frozenset()))

    def share(a: IPv4Network, b: IPv4Network) -> bool:
        return int(a[0]) <= int(b[-1]) and int(b[0]) <= int(a[-1])

    pairs = [(pods, services), (pods, machines), (services, machines)]
    assert len(found) == sum(share(a, b) for a, b in pairs)


@given(cidrs(), cidrs(), cidrs(), st.sampled_from(["pods", "services", "machines"]))
@settings(max_examples=50)
def test_the_network_proposed_is_free(a: IPv4Network, b: IPv4Network, c: IPv4Network, key: str) -> None:
    made = Settings(network=Network(pods=a, services=b, machines=c))
    free = networks.free_network(made, key)
    others = [getattr(made.network, k) for k in ("pods", "services", "machines") if k != key]
    if free != getattr(made.network, key):
        assert not any(free.overlaps(other) for other in others)


@given(NAMES, st.lists(NAMES, unique=True, min_size=1, max_size=30))
def test_macs_are_distinct_stable_and_in_vmwares_range(cluster: str, names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        mac = derived_mac(cluster, name, taken)
        assert mac == derived_mac(cluster, name, taken)
        assert mac.startswith("00:50:56:") and int(mac[9:11], 16) <= 0x3F
        assert mac not in taken
        taken.append(mac)


def test_a_taken_mac_is_avoided() -> None:
    first = derived_mac("a", "b")
    assert derived_mac("a", "b", [first]) != first


def test_completing_twice_changes_nothing() -> None:
    assert complete(defaults()) == defaults()


def test_addresses_given_are_kept_and_skipped() -> None:
    machines = (
        Machine(name="a", os="linux", address=IPv4Address("192.168.56.11")),
        Machine(name="b", os="windows"),
        Machine(name="c", os="linux", role="control-plane"),
    )
    made = complete(Settings(machines=machines))
    assert [str(m.address) for m in made.machines] == ["192.168.56.11", "192.168.56.12", "192.168.56.10"]


def test_existing_machines_keep_their_own_card_and_address() -> None:
    machines = (Machine(name="c", os="linux", role="control-plane", host="192.168.56.77", user="me"),)
    (machine,) = complete(Settings(provider="existing", machines=machines)).machines
    assert (machine.address, machine.mac, machine.transport) == (IPv4Address("192.168.56.77"), None, "ssh")


def test_what_cannot_be_filled_in_stays() -> None:
    made = Settings.model_validate({"kubernetes": {"version": "1.20"}, "network": {"machines": "192.168.56.0/29"}})
    made = made.model_copy(update={"machines": tuple(m.model_copy(update={"address": None}) for m in made.machines)})
    done = complete(made)
    assert done.kubernetes.version == "1.20"
    assert [m.address for m in done.machines] == [None, None]
