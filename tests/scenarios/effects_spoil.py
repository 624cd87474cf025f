"""Ways to spoil a modelled Windows machine, as time, updates and people do."""

from __future__ import annotations

import json
from collections.abc import Callable

from provision.rehearsal.faults import parse
from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.models.windows_scm import get, stop
from tests.scenarios.effects import Data, Prepare
from tests.scenarios.windows_bench import Bench

FILES = "C:\\ProgramData\\hybrid\\files"
INSTALLED = "C:\\ProgramData\\hybrid\\installed"
CONTAINERD = "C:\\Program Files\\containerd"
NAMES = "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ComputerName"
NEVER = 9e9  # seconds since 1970: not while this test runs


def change(spoil: Callable[[Data], object]) -> Prepare:
    """Change the machine's state."""

    def prepare(bench: Bench) -> None:
        with bench.machine.state.change() as data:
            spoil(data)

    return prepare


def card(**values: object) -> Prepare:
    """The card that carries the node's address."""
    return change(lambda data: data["adapters"][-1].update(values))


def address(**values: object) -> Prepare:
    return change(lambda data: data["addresses"][-1].update(values))


def addresses(*more: Data) -> Prepare:
    return change(lambda data: data["addresses"].extend({"settled": 0.0, "taken": False, **row} for row in more))


def service(name: str, **values: object) -> Prepare:
    return lambda bench: get(bench.machine, name).update(values)


def stopped(name: str) -> Prepare:
    return lambda bench: stop(bench.machine, name, force=True)


def written(path: str, data: bytes | None = None) -> Prepare:
    """A file with other bytes; without any, with a byte more than it has."""

    def prepare(bench: Bench) -> None:
        files = bench.machine.files
        files.guard, guard = (lambda _: None), files.guard
        files.make_folders(files.parent(path))
        files.write(path, files.read(path) + b"x" if data is None else data)
        files.guard = guard

    return prepare


def removed(*paths: str) -> Prepare:
    def prepare(bench: Bench) -> None:
        files = bench.machine.files
        files.guard, guard = (lambda _: None), files.guard
        for path in paths:
            files.remove(path)
        files.guard = guard

    return prepare


def registry(key: str, name: str, value: object | None, kind: str = "DWord") -> Prepare:
    """Another value; None takes it away."""

    def prepare(bench: Bench) -> None:
        with bench.machine.state.change():
            store = MachineRegistry(bench.machine.state)
            store.unset(key, name) if value is None else store.put(key, name, value, kind)

    return prepare


def key_removed(key: str) -> Prepare:
    return change_registry(lambda store: store.remove(key))


def key_made(key: str) -> Prepare:
    return change_registry(lambda store: store.create(key))


def change_registry(spoil: Callable[[MachineRegistry], None]) -> Prepare:
    def prepare(bench: Bench) -> None:
        with bench.machine.state.change():
            spoil(MachineRegistry(bench.machine.state))

    return prepare


def faults(*texts: str) -> Prepare:
    """Faults of the rehearsal, from here on."""

    def prepare(bench: Bench) -> None:
        bench.machine.faults.faults = list(parse(texts))

    return prepare


def served(name: str, data: bytes | None) -> Prepare:
    """The control plane serves other bytes, or nothing, under a file's name."""

    def prepare(bench: Bench) -> None:
        if data is None:
            del bench.master.files_served[name]
        else:
            bench.master.files_served[name] = data

    return prepare


def delivered(names: tuple[str, ...]) -> Prepare:
    """Files as an earlier delivery left them."""

    def prepare(bench: Bench) -> None:
        for name in names:
            written(f"{FILES}\\{name}", bench.artifacts[name])(bench)

    return prepare


def recorded(name: str, digest: str) -> Prepare:
    """The record beside a delivered file, with another digest for the same size and time."""

    def prepare(bench: Bench) -> None:
        path = f"{FILES}\\{name}.record"
        record = json.loads(bench.machine.files.read(path)) | {"sha256": digest}
        bench.machine.files.write(path, json.dumps(record).encode())

    return prepare


def calico(bench: Bench) -> None:
    """Calico's pods have made their networks."""
    bench.machine.calico_started(adapter="kube", pod_subnet="10.244.1.0/26")


def part_of(name: str, spoil: Callable[[bytes], bytes]) -> Prepare:
    """What a broken-off pull left."""
    return lambda bench: written(f"{FILES}\\{name}.part", spoil(bench.artifacts[name]))(bench)


def hns(spoil: Callable[[Data], object]) -> Prepare:
    return change(lambda data: spoil(data["hns"]))


def set_route(data: Data, **values: object) -> None:
    for route in data["routes"]:
        if route["index"] != 4:
            route.update(values)


def no_route(data: Data) -> None:
    data["routes"] = [route for route in data["routes"] if route["index"] == 4]


def name_card(data: Data, name: str) -> None:
    data["adapters"][1]["name"] = name


def second_card(data: Data) -> None:
    data["adapters"].append({**data["adapters"][1], "index": 21, "name": "Ethernet 3"})


def no_delivered(bench: Bench) -> None:
    bench.machine.files.remove_tree(FILES)


def old_policies(part: Data) -> None:
    part["policies"] += [{"ID": "1", "Name": "a"}, {"ID": "2", "Name": "b"}]


def set_rule(data: Data, name: str, **values: object) -> None:
    for rule in data["firewall"]:
        if rule["name"] == name:
            rule.update(values)


def no_rule(data: Data, name: str) -> None:
    data["firewall"] = [rule for rule in data["firewall"] if rule["name"] != name]


def more_flags(bench: Bench) -> None:
    """kubeadm wrote a flag that the service does not have."""
    path = "C:\\var\\lib\\kubelet\\kubeadm-flags.env"
    text = bench.machine.files.read(path).decode().rstrip().removesuffix('"')
    bench.machine.files.write(path, f'{text} --max-pods=50"\n'.encode())
