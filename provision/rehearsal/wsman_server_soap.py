"""WS-Management envelopes as WinRM speaks them (MS-WSMV), read and written."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
import xml.etree.ElementTree as ET  # only a rehearsal's own client talks to this server, on loopback
from dataclasses import dataclass
from xml.sax.saxutils import escape

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
X = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
CMD = f"{RSP}/cmd"

CREATE = f"{X}/Create"
DELETE = f"{X}/Delete"
COMMAND = f"{RSP}/Command"
SEND = f"{RSP}/Send"
RECEIVE = f"{RSP}/Receive"
SIGNAL = f"{RSP}/Signal"

# Codes of real WinRM.
OPERATION_TIMEOUT = 2150858793
SHELL_NOT_FOUND = 2150858843
ACCESS_DENIED = 5
INVALID_PARAMETER = 87
PIPE_CLOSED = 232
QUOTA = 2150859173
TOO_LARGE = 2150858801


class WsmanFault(Exception):
    """A request that is answered with a SOAP fault (HTTP 500)."""

    def __init__(self, code: int, subcode: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.subcode = subcode
        self.reason = reason


@dataclass(frozen=True)
class Request:
    """What the server needs of an envelope."""

    action: str
    message_id: str
    shell_id: str
    operation_timeout: float
    max_envelope: int
    options: dict[str, str]
    body: ET.Element

    def find(self, name: str) -> ET.Element:
        """The first element of the shell's name space with this name.

        Raises:
            WsmanFault: it is not there.
        """
        for element in self.body.iter(f"{{{RSP}}}{name}"):
            return element
        raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", f"the message has no {name}")


def parse(message: bytes) -> Request:
    """Read an envelope.

    Raises:
        WsmanFault: it is no XML, or no envelope.
    """
    try:
        root = ET.fromstring(message)  # noqa: S314 (see the import)
    except ET.ParseError as error:
        raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", f"not XML: {error}") from error
    header, body = root.find(f"{{{S}}}Header"), root.find(f"{{{S}}}Body")
    if header is None or body is None:
        raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", "not an envelope")

    def text(name: str) -> str:
        found = header.find(name)
        return (found.text or "") if found is not None else ""

    duration = re.fullmatch(r"PT([0-9.]+)S", text(f"{{{W}}}OperationTimeout"))
    shell_id = ""
    for selector in header.iter(f"{{{W}}}Selector"):
        if selector.get("Name") == "ShellId":
            shell_id = selector.text or ""
    return Request(
        action=text(f"{{{A}}}Action"),
        message_id=text(f"{{{A}}}MessageID"),
        shell_id=shell_id,
        operation_timeout=float(duration.group(1)) if duration else 60.0,
        max_envelope=int(text(f"{{{W}}}MaxEnvelopeSize") or 153600),
        options={o.get("Name", ""): o.text or "" for o in header.iter(f"{{{W}}}Option")},
        body=body,
    )


def decode(element: ET.Element) -> bytes:
    """The bytes of a base64 element.

    Raises:
        WsmanFault: it is no base64.
    """
    try:
        return base64.b64decode(element.text or "", validate=True)
    except binascii.Error as error:
        raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", "the stream is no base64") from error


def envelope(action: str, relates_to: str, body: str) -> bytes:
    """A reply."""
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{S}" xmlns:a="{A}" xmlns:x="{X}" xmlns:w="{W}" xmlns:rsp="{RSP}">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{A}/role/anonymous</a:To><a:RelatesTo>{escape(relates_to)}</a:RelatesTo></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(error: WsmanFault, relates_to: str) -> bytes:
    """The envelope of a fault."""
    reason = escape(error.reason)
    return envelope(
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
        relates_to,
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{error.subcode}</s:Value></s:Subcode>"
        f'</s:Code><s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault xmlns:f="{FAULT}" Code="{error.code}" Machine="localhost"><f:Message>{reason}</f:Message>'
        f"</f:WSManFault></s:Detail></s:Fault>",
    )


def created(request: Request, shell_id: str) -> bytes:
    """The reply to Create."""
    return envelope(
        f"{CREATE}Response",
        request.message_id,
        f"<x:ResourceCreated><a:Address>http://localhost/wsman</a:Address><a:ReferenceParameters>"
        f'<w:ResourceURI>{CMD}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector>'
        f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>",
    )


def received(request: Request, command_id: str, streams: list[tuple[str, bytes]], code: int | None) -> bytes:
    """The reply to Receive: pieces of the streams, and the exit code once the command is done."""
    parts = ["<rsp:ReceiveResponse>"]
    parts += [
        f'<rsp:Stream Name="{name}" CommandId="{command_id}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in streams
        if data
    ]
    if code is not None:
        parts += [f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"/>' for name in ("stdout", "stderr")]
        parts.append(
            f'<rsp:CommandState CommandId="{command_id}" State="{RSP}/CommandState/Done">'
            f"<rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState>"
        )
    else:
        parts.append(f'<rsp:CommandState CommandId="{command_id}" State="{RSP}/CommandState/Running"/>')
    parts.append("</rsp:ReceiveResponse>")
    return envelope(f"{RECEIVE}Response", request.message_id, "".join(parts))
