"""The modelled Linux machine: what it refuses, what survives, and that the steps' own scripts run on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.facts.base import parse_facts
from provision.facts.linux import SECTIONS
from provision.rehearsal.published import published
from provision.rehearsal.standin import standin
from provision.render.engine import render
from tests.scenarios.linux_bench import ADDRESS, INIT, MAC, PREPARE, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_probe_on_a_fresh_box_has_every_section(machine: Machine) -> None:
    names = [section.name for section in SECTIONS]
    code, out, err = machine.run(render("facts/linux/probe.sh", sections=names))
    assert (code, err) == (0, "")
    facts = parse_facts(out)
    assert sorted(facts) == sorted(names)
    for section in SECTIONS:
        section.model_validate(facts[section.name])
    assert facts["kernel"]["swap"] is True
    assert facts["kubeadm"]["initialised"] is False


def test_a_prepared_machine_becomes_a_control_plane(machine: Machine) -> None:
    machine.prepare()
    code, out, err = machine.init()
    assert code == 0, err
    assert "initialized successfully" in out
    kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    assert machine.fine(f"{kubectl} get --raw=/readyz") == "ok"
    ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    assert machine.fine(f"{kubectl} get nodes -o jsonpath='{ready}'") == "False"


@pytest.mark.parametrize(
    ("without", "complaint"),
    [
        ("card", "AdvertiseAddress"),
        ("kernel", "ip_forward contents are not set to 1"),
        ("swap", "running with swap on is not supported"),
        ("containerd", "could not connect to the container runtime"),
        ("kubelet", "kubeadm: command not found"),
    ],
)
def test_kubeadm_init_without_one_preparation_is_refused(machine: Machine, without: str, complaint: str) -> None:
    machine.prepare(without)
    code, _, err = machine.init()
    assert code != 0
    assert complaint in err


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("v1beta4", "v1beta2", "old API spec"),
        ("kubernetesVersion", "kubernetesversion", 'unknown field "kubernetesversion"'),
        ("[{name: node-ip, value: 192.168.56.10}]", "{node-ip: 192.168.56.10}", "cannot unmarshal"),
        (ADDRESS + ", bind", "10.9.9.9, bind", "AdvertiseAddress"),
        ("v1.36.4", "v1.37.0", "only supports deploying"),
        ("containerd.sock", "other.sock", "container runtime is not running"),
        ("networking: {", "networking: {podCIDR: x, ", 'unknown field "networking.podCIDR"'),
    ],
)
def test_a_wrong_init_configuration_is_refused(machine: Machine, old: str, new: str, complaint: str) -> None:
    machine.prepare()
    machine.model.files.write("/files/init.yaml", INIT.replace(old, new).encode())
    code, _, err = machine.init()
    assert code == 1
    assert complaint in err


def test_a_second_init_is_refused_and_a_reset_makes_room(machine: Machine) -> None:
    machine.prepare()
    assert machine.init()[0] == 0
    code, _, err = machine.init()
    assert code == 1
    assert "manifests/etcd.yaml already exists" in err
    assert "Port 6443 is in use" in err
    machine.fine("kubeadm reset --force")
    assert machine.init()[0] == 0


def test_the_control_plane_survives_a_reboot_and_the_rehearsals_end(tmp_path: Path, machine: Machine) -> None:
    machine.prepare()
    machine.fine(
        "printf 'overlay\\nbr_netfilter\\n' > /etc/modules-load.d/x.conf; systemctl mask swap.target 2>/dev/null"
    )
    machine.fine(f"printf '[Match]\\nMACAddress={MAC}\\n[Link]\\nName=kube\\n' > /etc/systemd/network/10-x.link")
    assert machine.init()[0] == 0
    machine.fine("systemctl reboot")
    code, _, err = machine.run("kubectl --kubeconfig=/etc/kubernetes/admin.conf get nodes")
    assert code == 1
    assert "timeout" in err  # nothing gave the card its address again
    machine.fine(f"ip link set dev kube up; ip address add {ADDRESS}/24 dev kube")
    again = Machine(tmp_path)
    assert again.fine("kubectl --kubeconfig=/etc/kubernetes/admin.conf get --raw=/readyz") == "ok"
    assert again.fine("cat /proc/swaps | wc -l; systemctl is-active kubelet containerd") == "1\nactive\nactive\n"


def test_a_boot_undoes_what_nobody_kept(machine: Machine) -> None:
    machine.prepare()
    machine.fine("printf 'table ip x {\\n}\\n' | nft -f -; touch /run/here")
    machine.fine("systemctl reboot")
    out = machine.fine(
        "lsmod | wc -l; sysctl -n net.ipv4.ip_forward; tail -n +2 /proc/swaps | wc -l; ls /run | grep -c here || true"
    )
    assert out == "1\n0\n1\n0\n"
    assert machine.run("nft list table ip x")[0] == 1


def test_sysctl_keys_of_a_module_are_absent_before_it_is_loaded(machine: Machine) -> None:
    code, _, err = machine.run("sysctl -w net.bridge.bridge-nf-call-iptables=1")
    assert code == 255
    assert "No such file or directory" in err
    assert machine.fine("modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("version = ", "failed to load TOML"),
        ("version = 4\n", "expected containerd config version"),
    ],
)
def test_containerd_does_not_start_with_a_bad_configuration(machine: Machine, config: str, complaint: str) -> None:
    machine.prepare("containerd", "kubelet")
    machine.model.files.write("/files/config.toml", config.encode())
    code, _, _ = machine.run(f"set -e; {PREPARE['containerd']}")
    assert code == 1
    assert complaint in machine.fine("journalctl --unit=containerd.service --no-pager")
    assert machine.run("ctr version")[0] == 1


def test_a_unit_without_its_program_and_a_corrupt_program_do_not_start(machine: Machine) -> None:
    machine.deliver()
    machine.fine("cp /files/containerd.service /etc/systemd/system/; systemctl enable containerd 2>/dev/null")
    assert machine.run("systemctl start containerd")[0] == 1
    assert "203/EXEC" in machine.fine("journalctl --unit=containerd --no-pager")
    machine.model.files.write("/usr/local/bin/containerd", standin("containerd", "v2.3.4", "linux")[:-1] + b"?", 0o755)
    assert machine.run("systemctl start containerd")[0] == 1
    code, _, err = machine.run("/usr/local/bin/containerd --version")
    assert code == 126
    assert "Exec format error" in err


def test_a_windows_program_does_not_run_on_linux(machine: Machine) -> None:
    machine.model.files.write("/usr/local/bin/kubeadm", standin("kubeadm", "v1.36.4", "windows"), 0o755)
    assert machine.run("kubeadm version")[0] == 126


def test_changed_unit_files_need_a_reload(machine: Machine) -> None:
    machine.prepare("kubelet")
    machine.fine("sed -i 's|ExecStart=.*|ExecStart=/usr/local/bin/nothing|' /etc/systemd/system/containerd.service")
    code, _, err = machine.run("systemctl restart containerd")
    assert code == 0
    assert "changed on disk" in err
    machine.fine("systemctl daemon-reload")
    assert machine.run("systemctl restart containerd")[0] == 1


def test_commands_that_need_root_are_refused_without_it(machine: Machine) -> None:
    for command in (
        "systemctl daemon-reload",
        "hostnamectl set-hostname x",
        "ip link set dev eth1 up",
        "apt-get update",
    ):
        assert machine.run(command, user="vagrant")[0] != 0, command


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("systemctl start nothing", 5),
        ("systemctl frobnicate x", 1),
        ("systemctl --frob start x", 1),
        ("modprobe nothing", 1),
        ("tar --frob", 64),
        ("grep", 2),
        ("ls --frob", 2),
        ("kubectl get nodes", 127),
        ("timeout 1 nothing", 127),
        ("timeout 1 sleep 5", 124),
        ("apt-get install -y no-such-package", 100),
        ("ip link set dev eth9 up", 1),
        ("nft -f /no/file", 1),
        ("hostnamectl set-hostname -- -bad-", 1),
    ],
)
def test_wrong_calls_fail_with_the_programs_own_codes(machine: Machine, command: str, code: int) -> None:
    assert machine.run(command)[0] == code


def test_what_the_model_does_not_know_is_said_and_not_passed_over(machine: Machine) -> None:
    code, _, err = machine.run("echo a; eval 'echo b'; echo c")
    assert code == 70
    assert "line 1: the builtin eval" in err


def test_detached_work_outlives_its_session_and_ends_with_the_boot(machine: Machine) -> None:
    machine.fine("systemd-run --quiet --collect --unit=work bash -c 'touch /began; sleep 0; touch /ended'")
    machine.fine("until [ -e /ended ]; do sleep 0.1; done")
    machine.fine("systemd-run --quiet --unit=long bash -c 'while true; do sleep 1; done'")
    assert machine.fine("systemctl is-active long") == "active\n"
    assert machine.run("systemd-run --unit=long true")[0] == 1
    machine.fine("systemctl stop long")
    assert machine.run("systemctl is-active long")[0] == 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("kubectl delete configmap kubernetes-services-endpoint -n tigera-operator", "kubernetes-services-endpoint"),
        (
            "sed -i 's/encapsulation: VXLAN/encapsulation: VXLANCrossSubnet/' /files/i.yaml",
            "VXLANCrossSubnet is not supported",
        ),
        ("sed -i '/serviceCIDRs/d' /files/i.yaml; sed -i '/10.96/d' /files/i.yaml", "serviceCIDRs"),
        ("sed -i 's/bgp: Disabled/bgp: Enabled/' /files/i.yaml", "bgp must be Disabled"),
        ("sed -i 's/: HNS/: Disabled/' /files/i.yaml", "windowsNodes must not be specified"),
        ("sed -i 's/10.244.0.0/10.200.0.0/' /files/i.yaml", "not within the platform"),
    ],
)
def test_the_operator_refuses_what_windows_cannot(machine: Machine, change: str, complaint: str) -> None:
    machine.prepare()
    assert machine.init()[0] == 0
    files = {
        "crds.yaml": published(
            "raw.githubusercontent.com/projectcalico/calico/v3.32.1/manifests/v1_crd_projectcalico_org.yaml"
        ),
        "op.yaml": published("raw.githubusercontent.com/projectcalico/calico/v3.32.1/manifests/tigera-operator.yaml"),
        "e.yaml": render("cni/calico/endpoint.yaml", address=ADDRESS).encode(),
        "i.yaml": render(
            "cni/calico/installation.yaml",
            digest="d",
            version="3.32.1",
            services="10.96.0.0/12",
            pods="10.244.0.0/16",
            machines="192.168.56.0/24",
            windows=True,
        ).encode(),
    }
    for name, data in files.items():
        assert data is not None
        machine.model.files.write(f"/files/{name}", data)
    machine.fine("mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config")
    out = machine.fine(
        f"""set -euo pipefail
for f in crds op e; do kubectl apply --server-side -f /files/$f.yaml > /dev/null; done
{change} > /dev/null
kubectl apply --server-side -f /files/i.yaml > /dev/null
kubectl get nodes >/dev/null
DEGRADED='{{.status.conditions[?(@.type=="Degraded")].message}}'
kubectl get tigerastatuses.operator.tigera.io calico -o "jsonpath=$DEGRADED"
"""
    )
    assert complaint in out


def test_a_join_with_a_wrong_token_or_ca_hash_is_refused(tmp_path: Path) -> None:
    control = Machine(tmp_path)
    control.prepare()
    assert control.init()[0] == 0
    join = control.fine("kubeadm token create --ttl 15m --print-join-command").split()
    token, pin = join[join.index("--token") + 1], join[join.index("--discovery-token-ca-cert-hash") + 1]
    worker = Machine.__new__(Machine)
    worker.park = control.park
    worker.model = control.park.create(
        {
            "name": "lin1",
            "os": "linux",
            "role": "worker",
            "address": "192.168.56.12",
            "mac": "08:00:27:00:00:0c",
            "user": "vagrant",
        }
    )
    worker.model.start()
    worker.prepare("card")
    worker.fine("ip link set dev eth1 up; ip address add 192.168.56.12/24 dev eth1")

    def tried(token: str, pin: str, name: str = "lin1") -> tuple[int, str, str]:
        text = f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: {{bootstrapToken: {{apiServerEndpoint: "{ADDRESS}:6443", token: "{token}", caCertHashes: ["{pin}"]}}}}
nodeRegistration:
  name: {name}
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs: [{{name: node-ip, value: 192.168.56.12}}]
"""
        worker.model.files.write("/files/join.yaml", text.encode())
        return worker.run("kubeadm join --config /files/join.yaml")

    assert "could not find a JWS signature" in tried("abcdef.0123456789abcdef", pin)[2]
    assert "none of the public keys" in tried(token, "sha256:" + "0" * 64)[2]
    kube = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    control.fine(f"{kube} delete secret -n kube-system bootstrap-token-{token.split('.')[0]}")
    assert "could not find a JWS signature" in tried(token, pin)[2]
    again = control.fine("kubeadm token create --ttl 15m").strip()
    assert tried(again, pin)[0] == 0
    assert control.fine(f"{kube} get nodes -o name").split() == ["node/cp1", "node/lin1"]
    code, _, err = tried(again, pin)
    assert code == 1
    assert "kubelet.conf already exists" in err
