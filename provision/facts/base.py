"""Facts: what machines say about themselves, in named sections.

A probe's last line of output is one JSON object ``{"facts": {"<section>": {...}}}``; a section that
could not be read in time is ``{"unknown": "<reason>"}``.  Sections have typed models (subclasses of
`Section`); asking a world for a section that is unknown raises `UnknownFact`, which the runner turns
into *Missing*: an unknown fact never satisfies a check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from provision.errors import StepFailed

MachineState = Literal["absent", "off", "running", "unreachable"]


class UnknownFact(Exception):
    """A check asked for something that nobody could say; never Satisfied."""


class Section(BaseModel):
    """Base of a section's model; unknown keys are refused, so that scripts and models stay in step."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]


S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class MachineFacts:
    """One machine: what its provider says of it and what it says itself."""

    state: MachineState = "absent"
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def get(self, kind: type[S]) -> S:
        """The typed section.

        Raises:
            UnknownFact: the machine does not run, the section was not read, timed out or is malformed.
        """
        if self.state != "running":
            raise UnknownFact(f"the machine is {self.state}")
        raw = self.sections.get(kind.name)
        if raw is None:
            raise UnknownFact(f"{kind.name} was not read")
        if "unknown" in raw:
            raise UnknownFact(f"{kind.name} is unknown: {raw['unknown']}")
        try:
            return kind.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UnknownFact(f"{kind.name} is malformed at {where}: {first['msg']}") from error

    def merged(self, sections: Mapping[str, Mapping[str, Any]]) -> MachineFacts:
        """These facts with some sections read anew."""
        return replace(self, state="running", sections={**self.sections, **sections})


@dataclass(frozen=True)
class HostFacts:
    """What is true on the operator's computer: resolved artifacts and which of them are in the cache.

    Attributes:
        digests: artifact name -> SHA-256 as pinned by the lock (absent: not resolved yet).
        cached: artifact names whose file is in the cache.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    """The facts of the host, all machines and the cluster at one moment. Immutable."""

    machines: Mapping[str, MachineFacts] = field(default_factory=dict)
    cluster: MachineFacts = field(default_factory=MachineFacts)
    host: HostFacts = field(default_factory=HostFacts)

    def machine(self, name: str) -> MachineFacts:
        return self.machines.get(name, MachineFacts())

    def with_machine(self, name: str, facts: MachineFacts) -> World:
        return replace(self, machines={**self.machines, name: facts})


def parse_facts(output: str) -> dict[str, dict[str, Any]]:
    """The sections of a probe's or a step's output: the ``facts`` of its last JSON line.

    Raises:
        StepFailed: there is no such line, or it is not what was agreed.
    """
    for line in reversed(output.splitlines()):
        text = line.strip()
        if not text:
            continue
        try:
            document = json.loads(text)
            facts = document["facts"]
            if isinstance(facts, dict) and all(isinstance(v, dict) for v in facts.values()):
                return facts
        except (ValueError, KeyError, TypeError):
            pass
        break
    raise StepFailed(
        "a script did not end with its facts",
        details="\n".join(output.splitlines()[-5:]),
        remedy="this is a defect of the script or of the machine's shell; the run's log has the whole output",
    )
