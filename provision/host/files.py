"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from provision.errors import HostError

_NO_PLACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
_OTHER = {errno.EIO, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EFBIG}


def trouble(error: BaseException | None) -> HostError | None:
    """What this computer's file system refused, as an error for people; None when the error is of another kind."""
    if not isinstance(error, OSError) or error.errno not in _NO_PLACE | _NOT_OURS | _OTHER:
        return None
    where = error.filename2 or error.filename or "the output, or a file of the cluster"
    if error.errno in _NO_PLACE:
        remedy = "free some space there, then run it again: it goes on from what the machines say"
    elif error.errno in _NOT_OURS:
        remedy = "see that it exists, is of the right kind and may be written by you, then run it again"
    else:
        remedy = "mend that, then run it again"
    return HostError(f"{os.fsdecode(where)}: {error.strerror}", remedy=remedy)


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write beside, then rename; a reader sees the old file or the new one, never half of one.

    Args:
        durable: the bytes are on the disk before the name is, so that a power failure, too, leaves one of the two.
            It costs some milliseconds: for what nobody can make again, not for state that is read from machines.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(payload)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say where
        raise
