# ruff: noqa: ARG001 - programs and services have one signature
"""Network cards, addresses, routes, and the packet filter's tables."""

from __future__ import annotations

import hashlib
import re
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

Card = dict[str, Any]


def first_cards(machine: LinuxMachine) -> None:
    """The cards as the box has them: one with the way out, one private, without a name of ours or an address."""
    outside = hashlib.sha256(machine.name.encode()).hexdigest()[:6]
    mac = ":".join(["52:54:00", *(outside[i : i + 2] for i in (0, 2, 4))])
    private = str(machine.spec.get("mac") or "").lower().replace("-", ":")
    if private and ":" not in private:
        private = ":".join(private[i : i + 2] for i in range(0, 12, 2))
    machine.state.data["cards"] = [
        {"kernel": "eth0", "name": "eth0", "mac": mac, "up": True, "addresses": [], "outside": True},
        {"kernel": "eth1", "name": "eth1", "mac": private or "52:54:00:00:00:01", "up": False, "addresses": []},
    ]


def at_boot(machine: LinuxMachine) -> None:
    """Cards have their kernel's names, or those that a .link file gives them; the outside one gets its lease."""
    links = []
    folder = "/etc/systemd/network"
    if machine.files.is_folder(folder):
        for name in machine.files.list(folder):
            if name.endswith(".link"):
                text = machine.files.read(f"{folder}/{name}").decode()
                mac = re.search(r"^MACAddress=(\S+)", text, re.M)
                given = re.search(r"^Name=(\S+)", text, re.M)
                if mac and given:
                    links.append((mac[1].lower(), given[1]))
    for card in cards(machine):
        card["name"] = next((name for mac, name in links if mac == card["mac"]), card["kernel"])
        card["up"] = bool(card.get("outside"))
        card["addresses"] = ["10.0.2.15/24"] if card.get("outside") else []


def cards(machine: LinuxMachine) -> list[Card]:
    """All cards but ``lo``; use inside `reading` or `change`."""
    found: list[Card] = machine.state.data.setdefault("cards", [])
    return found


def live_addresses(machine: LinuxMachine) -> list[str]:
    """The addresses of cards that are up, without prefix; the way out's is not ours alone."""
    with machine.state.reading():
        return [a.split("/")[0] for c in cards(machine) if c["up"] and not c.get("outside") for a in c["addresses"]]


def _card(machine: LinuxMachine, name: str) -> Card:
    for card in cards(machine):
        if card["name"] == name:
            return card
    if name == "lo":
        return {"name": "lo", "mac": "00:00:00:00:00:00", "up": True, "addresses": ["127.0.0.1/8"]}
    raise Failed(f'Cannot find device "{name}"')


def ip(box: LinuxBox, call: Call) -> int:
    """``ip [-4] [-brief] link|address|route ...``, as far as scripts here go."""
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    flags = [word for word in call.argv[1:] if word.startswith("-")]
    unknown = set(flags) - {"-4", "-brief", "-br", "-o", "-oneline"}
    if unknown:
        raise Usage(f'Option "{sorted(unknown)[0]}" is unknown, try "ip -help".', 255)
    brief = "-brief" in flags or "-br" in flags
    subject, verb, *rest = [*words, "show"][: max(2, len(words))]
    with box.machine.state.change():
        if subject in ("link", "l") and verb == "set":
            return _set_link(box, rest)
        if subject in ("link", "l") and verb == "show" and brief:
            return _show_links(box, call)
        if subject in ("address", "addr", "a"):
            return _address(box, call, verb, rest, brief)
        if subject in ("route", "r") and verb == "show" and rest in ([], ["default"]):
            for card in cards(box.machine):
                if card.get("outside") and card["up"]:
                    call.out(f"default via 10.0.2.2 dev {card['name']} proto dhcp src 10.0.2.15 metric 100\n")
            return 0
    raise Unsupported(" ".join(call.argv), 0)


def _needs_root(box: LinuxBox) -> None:
    if box.user != "root":
        raise Failed("RTNETLINK answers: Operation not permitted", 2)


def _set_link(box: LinuxBox, rest: list[str]) -> int:
    _needs_root(box)
    if rest[:1] == ["dev"]:
        rest = rest[1:]
    card = _card(box.machine, rest[0])
    what = rest[1:]
    if what in (["up"], ["down"]):
        card["up"] = what == ["up"]
    elif len(what) == 2 and what[0] == "name":
        if card["up"]:
            raise Failed("RTNETLINK answers: Device or resource busy", 2)
        if any(other["name"] == what[1] for other in cards(box.machine)):
            raise Failed("RTNETLINK answers: File exists", 2)
        card["name"] = what[1]
    else:
        raise Usage(f'Error: either "dev" is duplicate, or "{" ".join(what)}" is a garbage.', 255)
    return 0


def _show_links(box: LinuxBox, call: Call) -> int:
    call.out("lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> \n")
    for card in cards(box.machine):
        flags = "<BROADCAST,MULTICAST,UP,LOWER_UP>" if card["up"] else "<BROADCAST,MULTICAST>"
        call.out(f"{card['name']:<16} {'UP' if card['up'] else 'DOWN':<14} {card['mac']} {flags} \n")
    return 0


def _address(box: LinuxBox, call: Call, verb: str, rest: list[str], brief: bool) -> int:
    machine = box.machine
    if verb == "show" and brief:
        wanted = rest[rest.index("dev") + 1] if "dev" in rest else None
        shown = [_card(machine, wanted)] if wanted else [_card(machine, "lo"), *cards(machine)]
        for card in shown:
            state = "UNKNOWN" if card["name"] == "lo" else "UP" if card["up"] else "DOWN"
            if card["addresses"] or wanted is None:
                call.out(f"{card['name']:<16} {state:<14} {' '.join(card['addresses'])} \n")
        return 0
    if verb in ("add", "flush", "del", "replace") and "dev" in rest:
        _needs_root(box)
        card = _card(machine, rest[rest.index("dev") + 1])
        if verb == "flush":
            card["addresses"] = []
            return 0
        try:
            address = str(IPv4Interface(rest[0]))
        except ValueError:
            raise Usage(f'Error: any valid prefix is expected rather than "{rest[0]}".', 255) from None
        if verb == "del":
            if address not in card["addresses"]:
                raise Failed("RTNETLINK answers: Cannot assign requested address", 2)
            card["addresses"].remove(address)
        elif address not in card["addresses"]:
            card["addresses"].append(address)
        elif verb == "add":
            raise Failed("RTNETLINK answers: File exists", 2)
        return 0
    raise Unsupported(" ".join(call.argv), 0)


def nft(box: LinuxBox, call: Call) -> int:
    """``nft -f FILE`` and ``nft list table``; tables live until the next boot."""
    given = options(call, [], ["-f|--file"])
    with box.machine.state.change() as data:
        tables: dict[str, str] = data.setdefault("nftables", {})
        if "-f" in given:
            name = given.get("-f")
            try:
                text = call.stdin.read() if name == "-" else box.files.read(path_of(call, name))
            except FileNotFoundError:
                raise Failed(f'Error: Could not open file "{name}": No such file or directory') from None
            tables.update(_ruleset(text.decode(), tables))
            for gone in [n for n, t in tables.items() if not t]:
                del tables[gone]
            return 0
        if given.operands[:2] == ["list", "table"]:
            table = " ".join(given.operands[2:])
            if table not in tables:
                raise Failed("Error: No such file or directory\n" + " ".join(call.argv[1:]))
            call.out(f"table {table} {{{tables[table]}}}\n")
            return 0
        if given.operands == ["list", "ruleset"]:
            for table, body in tables.items():
                call.out(f"table {table} {{{body}}}\n")
            return 0
    raise Unsupported(" ".join(call.argv), 0)


def _ruleset(text: str, before: dict[str, str]) -> dict[str, str]:
    """The tables after a file, as one transaction.

    Raises:
        Failed: a syntax error; nothing is changed.
    """
    tables = dict(before)
    i = 0
    statement = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:(delete\s+)?table\s+(ip6?|inet)\s+(\w+)\s*(\{)?|(flush ruleset))")
    while text[i:].strip():
        found = statement.match(text, i)
        if not found:
            raise Failed(f"Error: syntax error near: {text[i:].strip()[:60]}")
        i = found.end()
        if found[5]:
            tables = dict.fromkeys(tables, "")
            continue
        name = f"{found[2]} {found[3]}"
        if found[1]:
            if name not in tables:
                raise Failed(f"Error: Could not process rule: No such file or directory\ndelete table {name}")
            tables[name] = ""
            continue
        tables.setdefault(name, "\n")
        if found[4]:
            depth, start = 1, i
            while i < len(text) and depth:
                depth += {"{": 1, "}": -1}.get(text[i], 0)
                i += 1
            if depth:
                raise Failed("Error: syntax error, unexpected end of file")
            body = text[start : i - 1]
            if not re.fullmatch(r"\s*(chain\s+\w+\s*\{.*\}\s*)*", body, re.S):
                raise Failed(f"Error: syntax error in table {name}")
            tables[name] = (tables[name].rstrip("\n") if tables[name].strip() else "") + body
    return tables


def iptables(box: LinuxBox, call: Call) -> int:
    raise Unsupported(" ".join(call.argv), 0)


register({"ip": ip, "nft": nft, "iptables": iptables})
