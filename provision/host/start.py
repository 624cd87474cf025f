"""What `inv` runs (as a file): invoke, so that Ctrl-C ends it without a traceback while it is still being imported.

From `provision.app.edge.call` on, Ctrl-C is ours. Until then Python would show where in an import it was met, and
invoke would end with its own usage error; ended by the signal, the shell says 130.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is to be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from invoke.main import program

    program.run()
