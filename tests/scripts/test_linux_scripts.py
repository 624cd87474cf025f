"""Every Linux script as it would run: parsed by bash, clean for shellcheck, its documents valid."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from provision.facts import cluster, linux
from provision.facts.base import MachineFacts, parse_facts
from provision.host.workspace import TEMPLATES
from provision.plan import plan
from provision.render.engine import parameters_of, render
from provision.settings.complete import complete
from provision.settings.model import Chosen, Containerd, Kubernetes, Machine, Network, Settings, SourceState
from provision.steps.base import ScriptCall, Step
from provision.steps.probe import all_sections
from tests.unit.steps.image_settings import WITH_IMAGES, exports
from tests.unit.steps.linux_facts import CONTROL_PLANE, SETTINGS

SHELLCHECK = shutil.which("shellcheck") or str(Path(__file__).parents[2] / ".venv/bin/shellcheck")
FROM_SOURCE = SourceState(
    remote="https://github.com/kubernetes/kubernetes",
    commit="0" * 40,
    tree="1" * 40,
    dirty=False,
    version="1.37.0-alpha.2.12+0123456789abcd",
    committed=1,
    go="1.26.4",
)
VARIANTS: dict[str, Settings] = {
    "default": SETTINGS,
    "one-machine": complete(SETTINGS.model_copy(update={"machines": (CONTROL_PLANE,)})),
    "no-egress": complete(
        SETTINGS.model_copy(update={"network": Network(egress="none", proxy="http://proxy.example:3128")})
    ),
    "older": complete(
        SETTINGS.model_copy(
            update={"kubernetes": Kubernetes(version="1.33.13"), "containerd": Containerd(linux="1.7.34")}
        )
    ),
    "configured": complete(
        SETTINGS.model_copy(
            update={
                "kubernetes": Kubernetes(
                    version="1.36.4",
                    feature_gates={"A": True, "B": False},
                    extra_args={
                        "etcd": {"quota-backend-bytes": "1"},
                        "apiserver": {"note": 'it\'s "quoted" $HOME `x`'},
                    },
                    kubelet_config={"maxPods": 20, "evictionHard": {"memory.available": "100Mi"}},
                    kubeadm_patches={
                        "kube-apiserver+merge.yaml": {
                            "metadata": {"annotations": {"note": 'it\'s "quoted" $HOME `x`'}}
                        },
                        "kubeletconfiguration.yaml": "maxPods: 30\n",
                    },
                )
            }
        )
    ),
    "images": WITH_IMAGES,
    "from-source": SETTINGS.model_copy(
        update={
            "kubernetes": Kubernetes(version=FROM_SOURCE.version),
            "chosen": Chosen(
                control_plane="source",
                version=FROM_SOURCE.version,
                nodes=FROM_SOURCE.version,
                source=FROM_SOURCE,
                plane_source=FROM_SOURCE,
                containerd=FROM_SOURCE,
                why="",
            ),
        }
    ),
}


def calls(settings: Settings) -> Iterator[tuple[Step, ScriptCall]]:
    for step in (*plan(settings).steps, *exports(settings).steps):
        for call in step.scripts:
            if call.template.startswith("linux/"):
                yield step, call


def text_of(step: Step, call: ScriptCall) -> str:
    return render(call.template, sections=step.sections(call), **call.parameters, **call.runtime)


@lru_cache(maxsize=1)
def rendered() -> dict[str, str]:
    """Every script of every variant, once each."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for variant, settings in VARIANTS.items():
        for step, call in calls(settings):
            text = text_of(step, call)
            if text not in seen:
                seen.add(text)
                found[f"{variant}-{step.name}-{Path(call.template).name}"] = text
        for machine in settings.machines:
            if machine.os == "linux":
                found[f"{variant}-probe-{machine.name}"] = render(
                    "facts/linux/probe.sh", sections=list(all_sections(machine))
                )
    for bare in ("80-admin-conf.sh", "90-collect.sh"):
        found[bare] = render(f"linux/{bare}")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scripts")
    for name, text in rendered().items():
        (made / f"{name.replace('/', '_')}").write_text(text)
    return made


def test_bash_can_read_every_script(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_shellcheck_has_nothing_to_say(folder: Path) -> None:
    # SC2016: a `$` in single quotes is meant so, in the documents that travel inside scripts.
    # SC2054: a parameter's text may hold commas.
    done = subprocess.run(
        [SHELLCHECK, "--shell=bash", "--exclude=SC2016,SC2054", *sorted(folder.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_nothing_of_jinja_is_left() -> None:
    for name, text in rendered().items():
        assert not re.search(r"\{% |\{\{ |\{#", text), name


def test_every_script_says_how_it_is_used_and_ends_with_its_facts() -> None:
    for name, text in rendered().items():
        lines = text.splitlines()
        assert lines[0] == "#!/bin/bash", name
        assert any(line.startswith("# Usage: bash ") for line in lines[:6]), name
        if not name.startswith(("80-", "90-")):
            assert lines[-1].startswith('printf \'{"facts": '), name


def test_every_template_is_used() -> None:
    templates = {f"linux/{path.name}" for path in (TEMPLATES / "linux").glob("[0-9]*.sh")}
    used = {call.template for settings in VARIANTS.values() for _, call in calls(settings)}
    assert templates - used == {"linux/80-admin-conf.sh", "linux/90-collect.sh"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_calls_give_exactly_what_templates_ask_for(variant: str) -> None:
    for step, call in calls(VARIANTS[variant]):
        given = set(call.parameters) | set(call.runtime)
        assert parameters_of(call.template) - {"sections"} == given, f"{step.name}: {call.template}"


def test_programs_stay_in_the_short_list() -> None:
    """The first words of all commands; whoever adds one has to teach the rehearsal what it does."""
    from tests.scripts.bash_words import commands_and_functions

    found: set[str] = set()
    for text in rendered().values():
        commands, functions = commands_and_functions(text)
        found |= commands - functions
    assert found <= PROGRAMS, sorted(found - PROGRAMS)


PROGRAMS = frozenset(
    """
    [ : apt-get break cat chmod command continue crictl ctr cut cp date df exit export grep hostnamectl install ip
    journalctl kubeadm kubectl local ln mkdir modprobe mv nft printf python3 read readonly return rm set sha256sum shift
    sleep stat swapoff sysctl systemctl systemd-run tail tar test timedatectl timeout trap true umask uname
    update-ca-certificates
    """.split()  # noqa: SIM905 - a paragraph reads better than forty quotes
)


def documents(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    for step, call in calls(settings):
        for name, text in call.documents.items():
            if name.endswith(".yaml"):
                for number, document in enumerate(yaml.safe_load_all(text)):
                    yield f"{step.name}/{name}/{number}", document


@pytest.mark.parametrize("variant", VARIANTS)
def test_manifests_are_valid_kubernetes(variant: str) -> None:
    settings = VARIANTS[variant]
    minor = settings.kubernetes.version.rsplit(".", 1)[0]
    kinds = []
    for name, document in documents(settings):
        if "." in document["apiVersion"].split("/")[0]:
            continue  # kubeadm's and the operator's kinds are no part of Kubernetes' own schemas
        kubernetes_validate.validate(document, minor, strict=True)
        kinds.append((name.split("/")[0], document["kind"]))
    assert ("smoke-pods", "Deployment") in kinds
    assert (("kube-proxy-windows", "DaemonSet") in kinds) == bool(settings.windows)


def test_no_account_gets_cluster_admin() -> None:
    for name, text in rendered().items():
        assert "cluster-admin" not in text, name
        assert "ClusterRoleBinding" not in text, name


def _kubeadm(variant: str) -> list[dict[str, Any]]:
    return [document for name, document in documents(VARIANTS[variant]) if name.startswith("control-plane/")]


def test_kubeadm_gets_lists_of_arguments_and_the_private_card() -> None:
    init, made, kubelet, proxy = _kubeadm("configured")
    assert init["apiVersion"] == made["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "192.168.56.10", "bindPort": 6443}
    assert init["nodeRegistration"]["taints"] == []
    assert init["nodeRegistration"]["kubeletExtraArgs"] == [{"name": "node-ip", "value": "192.168.56.10"}]
    assert init["bootstrapTokens"][0]["ttl"] == "15m0s"
    assert made["kubernetesVersion"] == "v1.36.4"
    assert made["networking"] == {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12"}
    assert {"127.0.0.1", "192.168.56.10"} <= set(made["apiServer"]["certSANs"])
    arguments = {row["name"]: row["value"] for row in made["apiServer"]["extraArgs"]}
    assert arguments == {"v": "2", "feature-gates": "A=true,B=false", "note": 'it\'s "quoted" $HOME `x`'}
    assert made["etcd"]["local"]["extraArgs"] == [{"name": "quota-backend-bytes", "value": "1"}]
    assert kubelet["cgroupDriver"] == "systemd"
    assert kubelet["evictionHard"] == {"memory.available": "100Mi"}
    assert proxy["mode"] == "iptables"


def test_v1beta3_takes_a_table_of_arguments() -> None:
    made = yaml.safe_load(
        render(
            "kubeadm/join.yaml",
            api="v1beta3",
            endpoint="a:6443",
            token="t",
            ca_hash="sha256:0",
            name="n",
            cri_socket="unix:///s",
            taints=[],
            kubelet_args={"node-ip": "10.0.0.1"},
            patches="/patches",
        )
    )
    assert made["patches"] == {"directory": "/patches"}
    assert made["nodeRegistration"]["kubeletExtraArgs"] == {"node-ip": "10.0.0.1"}


def test_calico_is_what_windows_can_live_with() -> None:
    found = {name: document for name, document in documents(SETTINGS) if name.startswith("calico/")}
    spec = next(document["spec"] for document in found.values() if document["kind"] == "Installation")
    network = spec["calicoNetwork"]
    assert (network["bgp"], network["windowsDataplane"]) == ("Disabled", "HNS")
    assert network["ipPools"][0]["encapsulation"] == "VXLAN"
    assert network["ipPools"][0]["cidr"] == "10.244.0.0/16"
    assert network["nodeAddressAutodetectionV4"] == {"cidrs": ["192.168.56.0/24"]}
    assert spec["serviceCIDRs"] == ["10.96.0.0/12"]
    assert spec["windowsNodes"]["vxlanAdapter"] == "kube"


def test_containerd_of_an_older_line_gets_its_older_configuration() -> None:
    texts = [text for name, text in rendered().items() if name.startswith("older-containerd@")]
    assert texts
    assert all("version = 2" in text and "SystemdCgroup = true" in text for text in texts)


def test_the_probe_says_what_the_models_understand() -> None:
    """Really run, on this computer: it changes nothing, and absent things are no failure."""
    machine: Machine = CONTROL_PLANE
    text = render("facts/linux/probe.sh", sections=list(all_sections(machine)))
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    facts = parse_facts(done.stdout)
    assert list(facts) == list(all_sections(machine))
    said = MachineFacts("running", facts)
    for kind in (*linux.SECTIONS, *cluster.SECTIONS):
        if "unknown" not in facts[kind.name]:
            said.get(kind)
    assert said.get(linux.Os).boot_id
    assert said.get(linux.Programs).missing is not None
