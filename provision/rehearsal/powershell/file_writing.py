"""Commands that write what comes in into files: Set-Content, Add-Content, Out-File."""

from __future__ import annotations

from provision.rehearsal.powershell.convert import text
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ErrorRecord, Unsupported
from provision.rehearsal.powershell.file_commands import Failure, encoding, stat, write
from provision.rehearsal.powershell.object_commands import Collecting, ObjectStage, command_class
from provision.rehearsal.powershell.values import Record


class Writing(Collecting):
    """Puts texts into a file, a line each."""

    append = False
    default = "default"
    value = "Value"

    def content(self) -> list[object]:
        found: list[object] = []
        given = self.items if self.piped else each(self.get(self.value))
        for item in given:
            found += each(item)
        return found

    def done(self) -> None:
        self._store()

    def close(self) -> None:
        if not self.stored and self.items:
            self._within(self._store)  # what came before an error is in the file

    def begin(self) -> None:
        super().begin()
        self.stored = False

    def _store(self) -> None:
        rt = self.rt
        self.stored = True
        if any(name in self.bound for name in ("WhatIf", "Filter", "Include", "Exclude", "Stream", "Width")):
            raise Unsupported(f"such a parameter of {self.name}", self.line)
        chosen = encoding(self.get("Encoding"), self.default)
        end = "" if self.on("NoNewline") else "\r\n"
        content = self.content()
        for item in content:
            if isinstance(item, Record) and item.text is None:
                raise Unsupported("objects written to a file", self.line)
        raw = "".join(text(item) + end for item in content).encode(chosen.codec, "replace")
        for given in each(self.get("LiteralPath") or self.get("Path") or self.get("FilePath")):
            path = rt.resolve(text(given))
            known = stat(rt, path)
            append = self.append or self.on("Append")
            if known is not None and self.on("NoClobber"):
                raise Unsupported("-NoClobber", self.line)
            fresh = known is None or getattr(known, "size", 0) == 0 or not append
            try:
                write(
                    rt, path, (chosen.mark if fresh and content else b"") + raw, "FileOpenFailure", append and not fresh
                )
            except Failure as failure:
                self.failed = True
                id = f"{failure.id},{command_class(self.name)}"
                record = ErrorRecord(
                    failure.message, id, exception=failure.exception, category=failure.category, command=self.name
                )
                rt.report(record, self.action)


class SetContent(Writing):
    pass


class AddContent(Writing):
    append = True


class OutFile(Writing):
    default = "unicode"
    value = "InputObject"


class ClearContent(Writing):
    def content(self) -> list[object]:
        return []


STAGES: dict[str, type[ObjectStage]] = {
    "Set-Content": SetContent,
    "Add-Content": AddContent,
    "Clear-Content": ClearContent,
    "Out-File": OutFile,
}
