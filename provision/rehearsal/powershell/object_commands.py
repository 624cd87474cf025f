"""Commands that take objects from the pipeline: filter, change, sort, count, write."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import TYPE_CHECKING

from provision.rehearsal.powershell import binder
from provision.rehearsal.powershell.convert import text, to_number, truth, unwrap
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ErrorRecord, ScriptError, StopPipeline, Unsupported, error
from provision.rehearsal.powershell.members import ABSENT, call_method, get_member, own_property
from provision.rehearsal.powershell.operators import compare, comparison, equal
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.stages import Stage
from provision.rehearsal.powershell.text_tools import has_wildcards, wildcard
from provision.rehearsal.powershell.values import Hashtable, Record, ScriptBlock

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime
    from provision.rehearsal.powershell.table import CommandRow


def command_class(name: str) -> str:
    """The class behind the comma of an error id."""
    return f"Microsoft.PowerShell.Commands.{name.replace('-', '')}Command"


class ObjectStage(Stage):
    """A command that works on what comes in, or on ``-InputObject``."""

    def __init__(self, rt: Runtime, row: CommandRow, given: list[binder.Given], piped: bool, line: int) -> None:
        super().__init__(rt, piped, line)
        self.name = row.name
        self.call = binder.bind(row, given, line)
        self.bound = {name: unwrap(value) for name, value in self.call.bound.items()}
        if piped:
            binder.check_before_pipeline(self.call)
        else:
            binder.settle(self.call)

    def get(self, name: str, default: object = None) -> object:
        return self.bound.get(name, default)

    def on(self, name: str) -> bool:
        return truth(self.bound.get(name))

    def integer(self, name: str) -> int | None:
        return int(to_number(self.bound[name])) if name in self.bound else None

    @property
    def action(self) -> str | None:
        return text(self.bound["ErrorAction"]) if "ErrorAction" in self.bound else None

    def report(self, message: str, id: str, exception: str = "System.Exception", target: object = None) -> None:
        """A non-terminating error of this command."""
        self.failed = True
        full = f"{id},{command_class(self.name)}"
        record = ErrorRecord(
            message,
            full,
            exception=exception,
            line=self.line,
            command=self.name,
            target=target,
            category="InvalidArgument",
        )
        self.rt.report(record, self.action)

    def end(self) -> None:
        if not self.piped and "InputObject" in self.bound:
            self.process(self.bound["InputObject"])
        self.done()

    def done(self) -> None:
        """All objects were seen."""


def property_of(rt: Runtime, item: object, key: object) -> object:
    """What a property name, block or table with an expression gives for an object."""
    if isinstance(key, Hashtable):
        key = key.get("Expression", key.get("E"))
    if isinstance(key, ScriptBlock):
        return rt.call_block(key, item)
    found = own_property(item, text(key).lower())
    return None if found is ABSENT else found


class ForEachObject(ObjectStage):
    def begin(self) -> None:
        block = self.get("Begin")
        if isinstance(block, ScriptBlock):
            self.rt.in_place(block, None)

    def process(self, item: object) -> None:
        blocks = self.get("Process")
        if blocks is None:
            self._member(item)
            return
        for block in blocks if isinstance(blocks, list) else [blocks]:
            if not isinstance(block, ScriptBlock):
                raise Unsupported("ForEach-Object without a block", self.line)
            self.rt.in_place(block, item)

    def _member(self, item: object) -> None:
        name = text(self.get("MemberName"))
        arguments = self.get("ArgumentList")
        found = own_property(item, name.lower())
        if arguments is not None or found is ABSENT:
            if item is None:
                return
            given = [unwrap(a) for a in arguments] if isinstance(arguments, list) else []
            found = call_method(self.rt, item, name, given)
        self.rt.emit(found)

    def done(self) -> None:
        block = self.get("End")
        if isinstance(block, ScriptBlock):
            self.rt.in_place(block, None)


class WhereObject(ObjectStage):
    def begin(self) -> None:
        block = self.get("FilterScript")
        if isinstance(block, ScriptBlock):
            self._test: Callable[[object], bool] = lambda item: truth(self.rt.call_block(block, item))
            return
        name = text(self.get("Property"))
        operators = [key.lower() for key in self.bound if key not in ("Property", "Value", "InputObject")]
        if not operators:
            self._test = lambda item: truth(property_of(self.rt, item, name))
            return
        value = self.get("Value")
        operator = operators[0]
        self._test = lambda item: truth(comparison(operator, property_of(self.rt, item, name), value, self.rt))

    def process(self, item: object) -> None:
        if self._test(item):
            self.emit(item)


class SelectObject(ObjectStage):
    def begin(self) -> None:
        self.seen: list[object] = []
        self.kept: list[object] = []
        self.count = 0
        self.skip = self.integer("Skip") or 0
        self.first = self.integer("First")
        self.last = self.integer("Last")
        self.skip_last = self.integer("SkipLast")
        if self.first == 0:
            raise StopPipeline(self)

    def process(self, item: object) -> None:
        self.count += 1
        at = self.count - 1
        if "Index" in self.bound:
            if at in [int(to_number(i)) for i in each(self.bound["Index"])]:
                self._give(item)
            return
        if self.last is not None or self.skip_last is not None:
            self.kept.append(item)
            return
        if at < self.skip:
            return
        self._give(item)
        if self.first is not None and at + 1 - self.skip >= self.first:
            raise StopPipeline(self)

    def done(self) -> None:
        if self.skip_last is not None:
            kept = self.kept[: len(self.kept) - self.skip_last]
        elif self.last is not None:
            stop = len(self.kept) - self.skip
            kept = self.kept[max(0, stop - self.last) : stop]
        else:
            return
        for item in kept:
            self._give(item)

    def _give(self, item: object) -> None:
        if self.on("Unique"):
            if any(equal(item, known, True) for known in self.seen):
                return
            self.seen.append(item)
        expanded = self.get("ExpandProperty")
        if expanded is not None:
            found = own_property(item, text(expanded).lower())
            if found is ABSENT:
                message = f'Property "{text(expanded)}" cannot be found.'
                self.report(message, "ExpandPropertyNotFound", "System.Management.Automation.PSArgumentException")
                return
            self.rt.emit(found)
        elif self.get("Property") is not None:
            self.emit(self._picked(item))
        else:
            self.emit(item)

    def _picked(self, item: object) -> Record:
        record = Record()
        excluded = [wildcard(text(name)) for name in each(self.get("ExcludeProperty") or [])]
        for key in each(self.get("Property")):
            if isinstance(key, Hashtable):
                name = text(key.get("Name", key.get("N", key.get("Label", key.get("L")))))
                record.set(name, property_of(self.rt, item, key))
            elif isinstance(key, ScriptBlock):
                record.set(key.text, self.rt.call_block(key, item))
            elif has_wildcards(text(key)) and isinstance(item, Record):
                pattern = wildcard(text(key))
                for name, value in item.items():
                    if pattern.match(name):
                        record.set(name, value)
            else:
                record.set(text(key), property_of(self.rt, item, key))
        for name in record.names():
            if any(pattern.match(name) for pattern in excluded):
                record.remove(name)
        return record


class Collecting(ObjectStage):
    """Waits for all objects."""

    def begin(self) -> None:
        self.items: list[object] = []

    def process(self, item: object) -> None:
        self.items.append(item)

    def keys(self) -> list[object]:
        """The properties that the command was asked to look at."""
        return each(self.get("Property")) if self.get("Property") is not None else []


class SortObject(Collecting):
    def done(self) -> None:
        keys = self.keys()
        case, descending = self.on("CaseSensitive"), self.on("Descending")
        directions = []
        for key in keys:
            own = truth(key.get("Descending", descending)) if isinstance(key, Hashtable) else descending
            directions.append(-1 if own else 1)
        rows = [([property_of(self.rt, item, k) for k in keys] if keys else [item], item) for item in self.items]
        if not keys:
            directions = [-1 if descending else 1]

        def order(a: tuple[list[object], object], b: tuple[list[object], object]) -> int:
            for left, right, sign in zip(a[0], b[0], directions, strict=True):
                found = self._compare(left, right, case)
                if found:
                    return found * sign
            return 0

        rows.sort(key=cmp_to_key(order))
        previous: tuple[list[object], object] | None = None
        for row in rows:
            if self.on("Unique") and previous is not None and order(previous, row) == 0:
                continue
            self.emit(row[1])
            previous = row

    @staticmethod
    def _compare(left: object, right: object, case: bool) -> int:
        try:
            return compare(left, right, case)
        except ScriptError:
            return compare(text(left), text(right), case)


class GroupObject(Collecting):
    def done(self) -> None:
        keys = self.keys()
        groups: list[tuple[list[object], list[object]]] = []
        for item in self.items:
            values = [property_of(self.rt, item, k) for k in keys] if keys else [item]
            for known, members in groups:
                if all(equal(a, b, self.on("CaseSensitive")) for a, b in zip(known, values, strict=True)):
                    members.append(item)
                    break
            else:
                groups.append((values, [item]))
        if self.on("AsHashTable"):
            table = Hashtable()
            for values, members in groups:
                table[text(values[0]) if self.on("AsString") else values[0]] = members
            if groups:
                self.emit(table)
            return
        for values, members in groups:
            properties: dict[str, object] = {"Count": len(members), "Name": ", ".join(text(v) for v in values)}
            if not self.on("NoElement"):
                properties["Group"] = members
            properties["Values"] = values
            self.emit(Record(properties, type_name="Microsoft.PowerShell.Commands.GroupInfo"))


class MeasureObject(Collecting):
    def process(self, item: object) -> None:
        if item is not None:  # null is not counted
            super().process(item)

    def done(self) -> None:
        if any(self.on(name) for name in ("Line", "Word", "Character")):
            self._texts()
            return
        keys = self.keys()
        if len(keys) > 1:
            raise Unsupported("Measure-Object of several properties", self.line)
        values = [property_of(self.rt, i, keys[0]) for i in self.items] if keys else list(self.items)
        if keys:
            values = [value for value in values if value is not None]
        numbers: list[int | float] = []
        wanted = [n for n in ("Sum", "Average", "Maximum", "Minimum") if self.on(n)]
        if wanted:
            numbers = [to_number(value) for value in values]
        results: dict[str, object] = {
            "Count": len(values),
            "Average": None,
            "Sum": None,
            "Maximum": None,
            "Minimum": None,
        }
        if numbers:
            if self.on("Sum"):
                results["Sum"] = float(sum(numbers))
            if self.on("Average"):
                results["Average"] = sum(numbers) / len(numbers)
            results["Maximum"] = float(max(numbers)) if self.on("Maximum") else None
            results["Minimum"] = float(min(numbers)) if self.on("Minimum") else None
        results["Property"] = text(keys[0]) if keys else None
        self.emit(Record(results, type_name="Microsoft.PowerShell.Commands.GenericMeasureInfo"))

    def _texts(self) -> None:
        joined = [text(item) for item in self.items]
        results: dict[str, object] = {
            "Lines": sum(len(t.splitlines()) or (1 if t else 0) for t in joined) if self.on("Line") else None,
            "Words": sum(len(t.split()) for t in joined) if self.on("Word") else None,
            "Characters": sum(len(t) for t in joined) if self.on("Character") else None,
        }
        self.emit(Record(results, type_name="Microsoft.PowerShell.Commands.TextMeasureInfo"))


STAGES: dict[str, type[ObjectStage]] = {
    "ForEach-Object": ForEachObject,
    "Where-Object": WhereObject,
    "Select-Object": SelectObject,
    "Sort-Object": SortObject,
    "Group-Object": GroupObject,
    "Measure-Object": MeasureObject,
}

__all__ = ["NOTHING", "STAGES", "ObjectStage", "command_class", "error", "get_member"]
