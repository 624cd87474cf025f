"""What goes wrong in a script, and how control leaves a statement."""

from __future__ import annotations

from provision.rehearsal.powershell.values import Native

_MA = "System.Management.Automation."
BASES: dict[str, str] = {
    _MA + "ActionPreferenceStopException": _MA + "RuntimeException",
    _MA + "CommandNotFoundException": _MA + "RuntimeException",
    _MA + "ItemNotFoundException": _MA + "SessionStateException",
    _MA + "DriveNotFoundException": _MA + "SessionStateException",
    _MA + "SessionStateException": _MA + "RuntimeException",
    _MA + "MethodInvocationException": _MA + "RuntimeException",
    _MA + "MethodException": _MA + "RuntimeException",
    _MA + "ParameterBindingException": _MA + "RuntimeException",
    _MA + "ParameterBindingValidationException": _MA + "ParameterBindingException",
    _MA + "ParameterBindingArgumentTransformationException": _MA + "ParameterBindingException",
    _MA + "PropertyNotFoundException": _MA + "RuntimeException",
    _MA + "RemoteException": _MA + "RuntimeException",
    _MA + "ParseException": _MA + "RuntimeException",
    _MA + "PSInvalidCastException": "System.InvalidCastException",
    _MA + "PSArgumentException": "System.ArgumentException",
    _MA + "RuntimeException": "System.SystemException",
    "Microsoft.PowerShell.Commands.WriteErrorException": "System.SystemException",
    "Microsoft.PowerShell.Commands.ServiceCommandException": "System.SystemException",
    "System.ArgumentNullException": "System.ArgumentException",
    "System.ArgumentOutOfRangeException": "System.ArgumentException",
    "System.DivideByZeroException": "System.ArithmeticException",
    "System.IO.FileNotFoundException": "System.IO.IOException",
    "System.IO.DirectoryNotFoundException": "System.IO.IOException",
    "System.SystemException": "System.Exception",
}


def derives(name: str, base: str) -> bool:
    """Whether an exception type is another one or comes from it; ``base`` may leave out ``System.``."""
    wanted = base.lower()
    current: str | None = name
    while current:
        folded = current.lower()
        if folded in (wanted, "system." + wanted, (_MA + base).lower()):
            return True
        if current == "System.Exception":
            return False
        current = BASES.get(current, "System.SystemException" if current != "System.SystemException" else None) or (
            "System.Exception"
        )
    return False


class NetException(Native):
    """A .NET exception as a value."""

    def __init__(self, type_name: str, message: str, inner: NetException | None = None) -> None:
        super().__init__()
        self.type_name = type_name
        self.message = message
        self.inner = inner
        self.properties = {
            "message": lambda: self.message,
            "innerexception": lambda: self.inner,
            "hresult": lambda: -2146233087,
        }
        self.methods = {"tostring": self.__str__, "getbaseexception": lambda: self.inner or self}

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"


class ErrorRecord:
    """``$_`` in a catch."""

    def __init__(
        self,
        message: str,
        id: str,
        *,
        exception: str = _MA + "RuntimeException",
        category: str = "NotSpecified",
        target: object = None,
        inner: NetException | None = None,
        line: int = 0,
        command: str = "",
    ) -> None:
        self.exception = NetException(exception, message, inner)
        self.id = id
        self.category = category
        self.target = target
        self.line = line
        self.command = command

    @property
    def message(self) -> str:
        return self.exception.message

    def __str__(self) -> str:
        return self.exception.message


class ScriptError(Exception):
    """A terminating error on its way.

    Attributes:
        record: what the script sees.
        thrown: by ``throw``.
        final: already judged by a preference (``Stop``); nothing but ``try`` holds it.
    """

    def __init__(self, record: ErrorRecord, *, thrown: bool = False, final: bool = False) -> None:
        super().__init__(f"{record.message} [{record.id}]")
        self.record = record
        self.thrown = thrown
        self.final = final


class Unsupported(Exception):
    """The script uses something that this interpreter does not reproduce: an error, never a shrug.

    Args:
        construct: stable name of what was met.
        line: of the script, from 1; 0 when it is not known.
    """

    def __init__(self, construct: str, line: int = 0) -> None:
        super().__init__(f"{construct}, line {line}" if line else construct)
        self.construct = construct
        self.line = line


class Flow(BaseException):
    """Control that leaves a statement; no error."""


class ReturnFlow(Flow):
    pass


class ExitFlow(Flow):
    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class JumpFlow(Flow):
    def __init__(self, kind: str, label: str) -> None:
        super().__init__()
        self.kind = kind
        self.label = label.lower()


class StopPipeline(Flow):
    """Raised towards the makers of objects once a later command wants no more; ``owner`` catches it."""

    def __init__(self, owner: object) -> None:
        super().__init__()
        self.owner = owner


class Killed(Flow):
    """The box was killed."""


def error(
    message: str,
    id: str,
    exception: str = _MA + "RuntimeException",
    *,
    category: str = "InvalidOperation",
    line: int = 0,
    target: object = None,
    inner: NetException | None = None,
) -> ScriptError:
    """A statement-terminating error."""
    return ScriptError(
        ErrorRecord(message, id, exception=exception, category=category, line=line, target=target, inner=inner)
    )


def method_error(method: str, count: int, inner: str, message: str, *, id: str | None = None) -> ScriptError:
    """What a failing .NET method becomes."""
    return error(
        f'Exception calling "{method}" with "{count}" argument(s): "{message}"',
        id or inner.rsplit(".", 1)[-1],
        _MA + "MethodInvocationException",
        category="NotSpecified",
        inner=NetException(inner, message),
    )
