"""The authorities that a modelled Linux trusts: Debian's update-ca-certificates."""

from __future__ import annotations

from cryptography import x509

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, options
from provision.rehearsal.shell import Call

LOCAL, TRUSTED = "/usr/local/share/ca-certificates", "/etc/ssl/certs"


def update_ca_certificates(box: LinuxBox, call: Call) -> int:
    """Trusts what lies in the local folder as ``<name>.crt``; ``--fresh`` forgets what does not any more."""
    given = options(call, ["--fresh|-f", "--verbose|-v"])
    if box.user != "root":
        raise Failed("update-ca-certificates: cannot create /etc/ssl/certs: Permission denied")
    files = box.files
    files.make_folders(TRUSTED)
    names = [name for name in (files.list(LOCAL) if files.is_folder(LOCAL) else []) if name.endswith(".crt")]
    wanted = {name.removesuffix(".crt") + ".pem": f"{LOCAL}/{name}" for name in names}
    if "--fresh" in given:
        for name in files.list(TRUSTED):
            if name.startswith("hybrid-") and name not in wanted:
                files.remove(f"{TRUSTED}/{name}")
    added = 0
    for name, source in wanted.items():
        try:
            x509.load_pem_x509_certificate(files.read(source))
        except ValueError:
            call.err(f"W: {source} does not contain exactly one certificate or CRL: skipping\n")
            continue
        if not files.exists(f"{TRUSTED}/{name}"):
            files.write(f"{TRUSTED}/{name}", files.read(source))
            added += 1
    call.out(f"Updating certificates in /etc/ssl/certs...\n{added} added, 0 removed; done.\n")
    return 0


register({"update-ca-certificates": update_ca_certificates})
