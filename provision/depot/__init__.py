"""The depot: one program of ours that runs on the control plane and serves files to the Windows machines."""

from pathlib import Path

# Uploaded as it is; it may import nothing but Python's standard library.
PROGRAM = Path(__file__).with_name("depot.py")
