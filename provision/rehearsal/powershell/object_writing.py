"""Commands that give, show or drop objects."""

from __future__ import annotations

from provision.rehearsal.powershell.convert import text, unwrap
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ErrorRecord, Unsupported
from provision.rehearsal.powershell.object_commands import Collecting, ObjectStage
from provision.rehearsal.powershell.values import Hashtable, Record


class OutNull(ObjectStage):
    """Takes everything."""


class OutString(Collecting):
    def done(self) -> None:
        lines: list[str] = []
        for item in self.items:
            if item is None:
                continue
            if isinstance(item, Record) or not isinstance(item, (str, bool, int, float, ErrorRecord)):
                raise Unsupported("Out-String of objects", self.line)
            lines += text(item).replace("\r\n", "\n").split("\n")
        if self.on("Stream"):
            for line in lines:
                self.emit(line)
        else:
            self.emit("".join(line + "\r\n" for line in lines))


class OutHost(ObjectStage):
    def process(self, item: object) -> None:
        self.rt.show(item)


class WriteOutput(ObjectStage):
    def process(self, item: object) -> None:
        if self.piped or self.on("NoEnumerate"):
            self.emit(item)
        else:
            for one in each(item):
                self.emit(unwrap(one))


class AddMember(ObjectStage):
    def process(self, item: object) -> None:
        if not isinstance(item, Record):
            raise Unsupported("Add-Member to what is no custom object", self.line)
        if "NotePropertyName" in self.bound:
            self._add(item, text(self.bound["NotePropertyName"]), self.get("NotePropertyValue"))
        elif isinstance(self.get("NotePropertyMembers"), Hashtable):
            for name, value in self.bound["NotePropertyMembers"].items():  # type: ignore[attr-defined]
                self._add(item, text(name), value)
        elif text(self.get("MemberType")).lower() == "noteproperty":
            self._add(item, text(self.get("Name")), self.get("Value"))
        else:
            raise Unsupported("Add-Member of other kinds than NoteProperty", self.line)
        if self.on("PassThru"):
            self.emit(item)

    def _add(self, item: Record, name: str, value: object) -> None:
        if item.has(name) and not self.on("Force"):
            message = f'Cannot add a member with the name "{name}" because a member with that name already exists.'
            self.report(message, "MemberAlreadyExists", "System.InvalidOperationException")
            return
        item.set(name, value)


class WriteHost(ObjectStage):
    def process(self, item: object) -> None:
        self._write(item)

    def done(self) -> None:
        if not self.piped:
            self._write(self.get("Object"))

    def _write(self, value: object) -> None:
        separator = text(self.get("Separator", " "))
        shown = separator.join(text(unwrap(one)) for one in each(value))
        rt = self.rt
        if "Information" in rt.redirected:
            rt.stream("Information", shown, "InformationPreference", "Continue")
        else:
            rt.box.write((shown + ("" if self.on("NoNewline") else "\r\n")).encode("utf-8"))


STAGES: dict[str, type[ObjectStage]] = {
    "Out-Null": OutNull,
    "Out-String": OutString,
    "Out-Host": OutHost,
    "Write-Output": WriteOutput,
    "Write-Host": WriteHost,
    "Add-Member": AddMember,
}
