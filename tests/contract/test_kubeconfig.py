"""The kubeconfig that is saved, and whether the API answers from here: against a real TLS server on loopback."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.clock import Deadline, utc_now
from provision.cluster.kubeconfig import access, local_kubeconfig, require_reachable
from provision.errors import AuthenticationRefused, HostChanged, StepFailed, Unreachable
from tests.http_servers import Server


class Authority:
    """A certificate authority with one server and one client certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.subject, self.key.public_key(), ca=True)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool, ip: str = "") -> x509.Certificate:
        now = utc_now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ip:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ip))]), critical=False
            )
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, ip: str = "") -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), ca=False, ip=ip)
        return pem(certificate), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def pem(self) -> str:
        return pem(self.certificate)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Api:
    """An API server as far as its door: TLS, a client certificate, /readyz."""

    def __init__(self, authority: Authority, folder: Path, ip: str = "127.0.0.1") -> None:
        self.statuses = [200]
        self.asked: list[str] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append(self.path)
                known = bool(self.connection.getpeercert())
                status = api.statuses.pop(0) if len(api.statuses) > 1 else api.statuses[0]
                self.send_response(status if known else 401)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"said")

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        certificate, key = authority.issue("kube-apiserver", ip)
        pair, ca = folder / "server.pem", folder / "ca.pem"
        pair.write_text(certificate + key)
        ca.write_text(authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"


AUTHORITY = Authority("kubernetes")


def admin_conf(authority: Authority = AUTHORITY) -> str:
    certificate, key = authority.issue("kubernetes-admin")

    def data(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    user = {"client-certificate-data": data(certificate), "client-key-data": data(key)}
    cluster = {"server": "https://192.168.56.10:6443", "certificate-authority-data": data(authority.pem)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": cluster}],
            "contexts": [{"name": "a@k", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
            "current-context": "a@k",
            "users": [{"name": "kubernetes-admin", "user": user}],
        }
    )


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(AUTHORITY, tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_our_names_and_our_server() -> None:
    text = local_kubeconfig(admin_conf(), context="hybrid", server="https://127.0.0.1:16443")
    made = yaml.safe_load(text)
    assert made["current-context"] == "hybrid"
    assert made["contexts"] == [{"name": "hybrid", "context": {"cluster": "hybrid", "user": "hybrid-admin"}}]
    assert made["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:16443"
    before, after = access(admin_conf()), access(text)
    assert after.ca == before.ca
    assert after.key.startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("text", ["", "a: [", "kind: Config", "contexts: []\ncurrent-context: x"])
def test_what_is_no_kubeconfig(text: str) -> None:
    with pytest.raises(StepFailed, match=r"admin\.conf is not a kubeconfig"):
        local_kubeconfig(text, context="hybrid", server="https://127.0.0.1:1")


def test_an_api_that_is_ready(api: Api) -> None:
    require_reachable(local_kubeconfig(admin_conf(), context="h", server=api.url), Deadline(5))
    assert api.asked == ["/readyz"]


def test_an_api_that_becomes_ready(api: Api) -> None:
    api.statuses = [500, 200]
    require_reachable(local_kubeconfig(admin_conf(), context="h", server=api.url), Deadline(10))
    assert len(api.asked) == 2


def test_an_api_that_stays_unready_says_what_it_last_said(api: Api) -> None:
    api.statuses = [500]
    with pytest.raises(Unreachable) as caught:
        require_reachable(local_kubeconfig(admin_conf(), context="h", server=api.url), Deadline(0.1))
    assert "HTTP 500: said" in caught.value.details


def test_a_refused_certificate(api: Api) -> None:
    api.statuses = [401]
    with pytest.raises(AuthenticationRefused, match="refuses the administrator's certificate"):
        require_reachable(local_kubeconfig(admin_conf(), context="h", server=api.url), Deadline(5))


def test_another_cluster_at_the_same_address(api: Api) -> None:
    with pytest.raises(HostChanged, match="this cluster's CA did not make"):
        require_reachable(local_kubeconfig(admin_conf(Authority("k")), context="h", server=api.url), Deadline(5))


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    api = Api(AUTHORITY, tmp_path, ip="192.168.56.10")
    try:
        with pytest.raises(HostChanged):
            require_reachable(local_kubeconfig(admin_conf(), context="h", server=api.url), Deadline(5))
    finally:
        api.server.shutdown()
        api.server.server_close()


def test_nothing_listens(api: Api) -> None:
    url = api.url
    api.server.shutdown()
    api.server.server_close()
    with pytest.raises(Unreachable, match="does not answer from here"):
        require_reachable(local_kubeconfig(admin_conf(), context="h", server=url), Deadline(0.1))
