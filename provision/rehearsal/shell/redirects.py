"""A shell's descriptors: what redirections open and put back, and the shell's own messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.control import RedirectFailed
from provision.rehearsal.shell.state import State
from provision.rehearsal.shell.streams import Discarded, Sink, Source, ToFile


class Redirecting(State):
    """A shell's state, with its descriptors in use."""

    def complain(self, text: str) -> None:
        """A message of the shell itself."""
        self.sink(2).write(f"{self.name}: line {self.line}: {text}\n".encode())

    def sink(self, fd: int) -> Sink:
        found = self.descriptors.get(fd)
        if found is None or isinstance(found, Source):
            raise RedirectFailed(f"{fd}: Bad file descriptor")
        return found

    def source(self) -> Source:
        found = self.descriptors.get(0)
        return found if isinstance(found, Source) else Source(b"")

    @contextmanager
    def redirected(self, redirects: tuple[s.Redirect, ...], *, keep: bool = False) -> Iterator[None]:
        """With these redirections; ``keep`` leaves them in force, as ``exec`` does.

        Raises:
            RedirectFailed: a file cannot be opened, or there is no such descriptor.
        """
        if not redirects:
            yield
            return
        saved = dict(self.descriptors)
        opened: list[Source | Sink] = []
        try:
            for redirect in redirects:
                self._redirect(redirect, opened)
            yield
        finally:
            for stream in opened:
                if isinstance(stream, ToFile):
                    stream.close()
                    stream.kept = keep
            if not keep:
                self.descriptors = saved

    def _redirect(self, redirect: s.Redirect, opened: list[Source | Sink]) -> None:
        operator, fd = redirect.operator, redirect.fd
        if operator == "<<":
            body = redirect.target.raw if redirect.literal else self.expand.document(redirect.target)
            self.descriptors[fd] = Source(body.encode("utf-8", "surrogateescape"))
            return
        target = self.expand.text(redirect.target)
        if operator == "<<<":
            self.descriptors[fd] = Source((target + "\n").encode("utf-8", "surrogateescape"))
        elif operator in (">&", "<&"):
            if target == "-":
                self.descriptors.pop(fd, None)
            elif not target.isdigit():
                raise s.Unsupported(f"{operator}{target}", redirect.target.line)
            elif int(target) not in self.descriptors:
                raise RedirectFailed(f"{target}: Bad file descriptor")
            else:
                self.descriptors[fd] = self.descriptors[int(target)]
        else:
            stream = self._open(operator, target)
            opened.append(stream)
            self.descriptors[fd] = stream
            if operator.startswith("&"):
                self.descriptors[1] = self.descriptors[2] = stream

    def _open(self, operator: str, target: str) -> Source | Sink:
        if target == "/dev/null":
            return Source(b"") if operator == "<" else Discarded()
        if target in ("/dev/stdout", "/dev/stderr"):
            return self.sink(1 if target.endswith("out") else 2)
        path = self.path(target)
        try:
            if operator == "<":
                return Source(self.box.files.read(path))
            if operator in (">", ">|", ">>", "&>", "&>>"):
                return ToFile(self.box.files, path, append=operator.endswith(">>"))
        except FileNotFoundError:
            raise RedirectFailed(f"{target}: No such file or directory") from None
        except IsADirectoryError:
            raise RedirectFailed(f"{target}: Is a directory") from None
        except OSError as error:
            raise RedirectFailed(f"{target}: {error.strerror or error}") from None
        raise s.Unsupported(f"the redirection {operator}", self.line)
