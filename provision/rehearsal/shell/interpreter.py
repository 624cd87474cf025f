"""Runs parsed scripts on a box, as bash would; what it does not know is an error."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Sequence

from provision.rehearsal.shell import builtins
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.box import Call, ShellBox
from provision.rehearsal.shell.control import BreakLoop, ExitShell, Killed, RedirectFailed, ReturnFunction
from provision.rehearsal.shell.expand import Expander, ExpansionFailed
from provision.rehearsal.shell.parse import parse
from provision.rehearsal.shell.statements import Statements
from provision.rehearsal.shell.streams import Collected, Descriptors, Source, ToFile
from provision.rehearsal.shell.variables import ReadOnly

KILLED = 137
NOT_FOUND = 127
NOT_RUNNABLE = 126


class Job:
    """A background command: a thread on a copy of the shell."""

    def __init__(self, work: Callable[[], int]) -> None:
        self.code = KILLED
        self.stop = threading.Event()

        def run() -> None:
            self.code = work()

        self.thread = threading.Thread(target=run, daemon=True)


class Shell(Statements):
    """One shell process that runs scripts."""

    def __init__(self, box: ShellBox, name: str, positional: Sequence[str], descriptors: Descriptors) -> None:
        super().__init__(box, name, positional, descriptors)
        self.expand = Expander(self)
        self.jobs: dict[str, Job] = {}

    def command_output(self, source: str, line: int) -> str:
        """``$( ... )``: the output without its last line ends."""
        tree = parse(source, line)
        only = tree.statements[0][0] if len(tree.statements) == 1 else None
        if isinstance(only, s.Simple) and not only.words and [r.operator for r in only.redirects] == ["<"]:
            with self.redirected(only.redirects):
                data = self.source().read()
            self.last_output_status = 0
            return data.replace(b"\0", b"").decode("utf-8", "surrogateescape").rstrip("\n")
        kept = Collected()
        child = self.fork({**self.descriptors, 1: kept})
        if not self.options["inherit_errexit"]:
            child.options["errexit"] = False
        self.last_output_status = child.whole(tree)
        return kept.data.replace(b"\0", b"").decode("utf-8", "surrogateescape").rstrip("\n")

    def process_input(self, source: str, line: int) -> str:
        """``<( ... )``: a name under which the output can be read."""
        kept = Collected()
        child = self.fork({**self.descriptors, 1: kept})
        child.whole(parse(source, line))
        name = f"/dev/fd/{63 - len(self.temporary)}"
        self.box.files.write(name, kept.data)
        self.temporary.append(name)
        return name

    def fork(self, descriptors: Descriptors) -> Shell:
        """A subshell: it sees everything and changes nothing of ours."""
        child = copy.copy(self)
        child.variables = self.variables.copy()
        child.functions = dict(self.functions)
        child.options = dict(self.options)
        child.positional = list(self.positional)
        child.descriptors = dict(descriptors)
        child.traps, child.jobs, child.temporary = {}, {}, []
        child.expand = Expander(child)
        return child

    # -- running ---------------------------------------------------------------------------------------------

    def whole(self, tree: s.Sequence) -> int:
        """Run to the end of this shell, its EXIT trap included."""
        try:
            code = self._to_exit(lambda: self.run(tree))
            if "EXIT" in self.traps:
                action = self.traps.pop("EXIT")
                self.status = code
                ended = self._to_exit(lambda: (self.run(parse(action, self.line)), None)[1])
                code = code if ended is None else ended
        finally:
            for name in self.temporary:
                self.box.files.remove(name)
        return code

    def _to_exit(self, work: Callable[[], int | None]) -> int:
        try:
            return work()  # type: ignore[return-value]
        except ExitShell as ended:
            return ended.code
        except BreakLoop:
            return 0
        except ExpansionFailed as error:
            self.complain(str(error))
            return 1 if not str(error).endswith("unbound variable") or self.name != "-c" else 127
        except ReadOnly as error:
            self.complain(f"{error}: readonly variable")
            return 1

    def _sequence(self, node: s.Sequence) -> int:
        code = 0
        for statement, background in node.statements:
            code = self._background(statement) if background else self.run(statement)
        return code

    def _background(self, node: s.Node) -> int:
        child = self.fork({**self.descriptors, 0: Source(b"")})

        def work() -> int:
            try:
                return child.whole(s.Sequence(((node, False),)))
            except Killed:
                return KILLED

        job = Job(work)
        self.last_pid += 1
        self.last_background = str(self.last_pid)
        self.jobs[self.last_background] = job
        job.thread.start()
        return 0

    def _pipeline(self, node: s.Pipeline) -> int:
        if node.negated:
            with self.testing():
                code = self._pipe(node)
            return int(code == 0)
        return self.failed(self._pipe(node))

    def _pipe(self, node: s.Pipeline) -> int:
        if len(node.parts) == 1:
            return self.run(node.parts[0])
        codes: list[int] = []
        source = self.descriptors.get(0, Source(b""))
        for position, part in enumerate(node.parts):
            last = position == len(node.parts) - 1
            kept = Collected()
            child = self.fork({**self.descriptors, 0: source, **({} if last else {1: kept})})
            codes.append(child.whole(s.Sequence(((part, False),))))
            source = Source(kept.data)
        self.set_array("PIPESTATUS", [str(code) for code in codes])
        if self.options["pipefail"]:
            return next((code for code in reversed(codes) if code), 0)
        return codes[-1]

    def _subshell(self, node: s.Subshell) -> int:
        return self.failed(self.fork(self.descriptors).whole(node.body))

    # -- simple commands -------------------------------------------------------------------------------------

    def _simple(self, node: s.Simple) -> int:
        self.line = node.line
        self.last_output_status = 0
        arguments: list[str | s.Assignment] = []
        for word in node.words:
            if isinstance(word, s.Assignment):
                arguments.append(word)
            else:
                arguments += self.expand.fields(word)
        try:
            with self.redirected(node.redirects, keep=arguments[:1] == ["exec"] and len(arguments) == 1):
                code = self._command(node, arguments)
        except RedirectFailed as error:
            self.complain(str(error))
            code = 1
        self.set_array("PIPESTATUS", [str(code)])
        return self.failed(code)

    def _command(self, node: s.Simple, arguments: list[str | s.Assignment]) -> int:
        if not arguments:
            for assignment in node.assignments:
                self.set_variable(assignment)
            return self.last_output_status
        name = arguments[0]
        if not isinstance(name, str):
            raise s.Unsupported(f"{name.name}= in front of nothing", node.line)
        if not node.assignments:
            return self._call(name, arguments, node.line)
        # Assignments before a command hold for the command only.
        self.variables.scopes.append({})
        try:
            for assignment in node.assignments:
                value = self._value(assignment)
                self.variables.declare(assignment.name, local=True).values["0"] = value
                self.variables.scopes[-1][assignment.name].exported = True
            return self._call(name, arguments, node.line)
        finally:
            self.variables.scopes.pop()

    def _value(self, assignment: s.Assignment) -> str:
        if isinstance(assignment.value, tuple) or assignment.append or assignment.index:
            raise s.Unsupported("an array or += before a command", assignment.line)
        return self.expand.text(assignment.value)

    def _call(self, name: str, arguments: list[str | s.Assignment], line: int) -> int:
        if name in self.functions:
            return self._call_function(name, [a for a in arguments[1:] if isinstance(a, str)])
        if name in builtins.DECLARATIONS:
            return builtins.declare(self, name, arguments[1:], line)
        words = [a if isinstance(a, str) else _as_text(self, a) for a in arguments]
        builtin = builtins.BUILTINS.get(name)
        if builtin is not None:
            return builtin(self, words, line)
        if name in builtins.UNKNOWN:
            raise s.Unsupported(f"the builtin {name}", line)
        return self.program(words)

    def _call_function(self, name: str, arguments: list[str]) -> int:
        saved = self.positional
        self.positional = arguments
        self.variables.scopes.append({})
        self.depth += 1
        loops, self.loops = self.loops, 0
        try:
            return self.run(self.functions[name])
        except ReturnFunction as ended:
            return ended.code
        finally:
            self.depth -= 1
            self.loops = loops
            self.variables.scopes.pop()
            self.positional = saved

    def program(self, words: Sequence[str]) -> int:
        """Run a program of the machine; 127 when there is none, 126 when it cannot run."""
        for descriptor in self.descriptors.values():
            if isinstance(descriptor, ToFile):
                descriptor.close()  # what stands in the file must be there for who reads it
        call = Call(tuple(words), self.variables.exported(), self.source(), self.sink(1), self.sink(2), self.cwd)
        try:
            code = self.box.program(call)
        except FileNotFoundError:
            reason = "No such file or directory" if "/" in words[0] else "command not found"
            self.complain(f"{words[0]}: {reason}")
            return NOT_FOUND
        except PermissionError as error:
            self.complain(f"{words[0]}: {error.strerror or error.args[0]}")
            return NOT_RUNNABLE
        if self.box.killed.is_set():
            raise Killed
        return code

    def set_variable(self, assignment: s.Assignment) -> None:
        """Carry out one assignment."""
        value = assignment.value
        if isinstance(value, s.Word):
            index = None if assignment.index is None else assignment.index.raw
            self.assign(assignment.name, index, self.expand.text(value), append=assignment.append)
            return
        variable = self.variables.writable(assignment.name)
        if variable.kind == "text":
            variable.kind = "indexed"
        values = dict(variable.values) if assignment.append else {}
        following = max((int(k) for k in values), default=-1) + 1 if variable.kind == "indexed" else 0
        for word in value:
            keyed = re.match(r"\[([^]]+)\]=", word.raw)
            if keyed:
                key = self.expand.key(variable, keyed[1], word.line)
                values[key] = self.expand.text(s.Word(word.raw[keyed.end() :], word.line))
                following = int(key) + 1 if variable.kind == "indexed" else 0
                continue
            if variable.kind == "keyed":
                raise s.Unsupported(f"{word.raw} without [key]= in a keyed array", word.line)
            for field in self.expand.fields(word):
                values[str(following)] = field
                following += 1
        variable.values = values


def _as_text(shell: Shell, assignment: s.Assignment) -> str:
    if isinstance(assignment.value, tuple):
        raise s.Unsupported("an array as an argument", assignment.line)
    return f"{assignment.name}={shell.expand.text(assignment.value)}"
