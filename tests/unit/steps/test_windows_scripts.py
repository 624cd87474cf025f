"""What each Windows step would run: templates and their values, order, ASCII, grammar, what apply hands over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import tree_sitter
import tree_sitter_powershell
import yaml

from provision.clock import Deadline
from provision.errors import Refused, StepFailed
from provision.facts.base import MachineFacts, World
from provision.guests.base import Boot
from provision.host.workspace import TEMPLATES
from provision.render.engine import parameters_of, render
from provision.settings.model import Containerd, Kubernetes, Network, Settings
from provision.steps.base import Context, Plan, ScriptCall, Step
from provision.steps.windows_files import containerd_config
from provision.steps.windows_join import join_config, kubelet_command
from provision.steps.windows_node import windows_steps
from tests.unit.steps.windows_facts import ABSENT, DIGESTS, SETTINGS, WORKER, changed, finished, world

STEPS = {step.name.split("@")[0]: step for step in windows_steps(SETTINGS, WORKER)}
CALLS = [(step, call) for step in STEPS.values() for call in step.scripts if call.template.startswith("windows/")]
ELSEWHERE = ("up@winw1", "depot", "control-plane", "strict-affinity", *(f"fetch-{name}" for name in DIGESTS))


def rendered(step: Step, call: ScriptCall) -> str:
    return render(call.template, sections=list(step.changes), **call.parameters, **call.runtime)


@pytest.mark.parametrize(("step", "call"), CALLS, ids=lambda v: getattr(v, "name", ""))
def test_a_template_asks_for_exactly_what_its_step_gives(step: Step, call: ScriptCall) -> None:
    assert parameters_of(call.template) == {*call.parameters, *call.runtime, "sections"}


@pytest.mark.parametrize(("step", "call"), CALLS, ids=lambda v: getattr(v, "name", ""))
def test_a_rendered_script_is_ascii_parses_and_starts_with_its_usage(step: Step, call: ScriptCall) -> None:
    text = rendered(step, call)
    assert text.isascii()
    assert text.startswith("# Usage: ")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(text.encode()).root_node.has_error
    for section in step.changes:
        assert f"$Probes['{section}'] = {{" in text


def test_every_numbered_template_is_run_by_a_step_in_its_order() -> None:
    # 90-collect.ps1 is run after a failure, 71-kubelet-again.ps1 by a step of the control plane; the others have steps
    # where there are images to import or to export.
    others = {"62-images.ps1", "66-prepull.ps1", "71-kubelet-again.ps1", "90-collect.ps1"}
    others |= {"92-images-export.ps1", "93-folder-gone.ps1"}
    numbered = sorted(p.name for p in (TEMPLATES / "windows").glob("[0-9]*.ps1"))
    used = [call.template.removeprefix("windows/") for _, call in CALLS]
    assert set(numbered) - set(used) == others
    assert list(dict.fromkeys(used)) == sorted(set(used))


def test_needs_point_backwards_and_only_to_known_steps() -> None:
    def outside(name: str) -> Step:
        return Step(name=name, title=name, lane="host", check=STEPS["card"].check)

    Plan((*map(outside, ELSEWHERE), *windows_steps(SETTINGS, WORKER)))


def test_pulling_files_overlaps_with_features_and_the_restart() -> None:
    for name in ("deliver-containerd", "deliver-kubernetes"):
        assert STEPS[name].lane == "files"
        assert not {need.split("@")[0] for need in STEPS[name].needs} & {"features", "reboot", "host-name", "settings"}


def test_what_outlives_a_connection_is_detached() -> None:
    assert {name for name, step in STEPS.items() if step.detached} == {"features", "calico-windows"}


def test_the_kubelets_command_line() -> None:
    command = kubelet_command(SETTINGS, WORKER)
    assert command.startswith(
        "C:\\k\\kube-log-runner.exe --log-file=C:\\var\\log\\kubelet\\kubelet.log "
        "--log-file-size=50Mi --log-file-age=168h C:\\k\\kubelet.exe --windows-service "
    )
    words = command.split()
    for word in (
        "--node-ip=192.168.56.11",
        "--cgroups-per-qos=false",
        '--enforce-node-allocatable=""',
        '--resolv-conf=""',
        "--register-with-taints=os=windows:NoSchedule",
    ):
        assert word in words
    assert not [word for word in words if word.startswith("--container-runtime-endpoint")]


def test_the_kubelet_of_an_older_kubeadm_is_told_the_socket() -> None:
    settings = with_kubernetes(version="1.33.13")
    assert "--log-file-size" not in kubelet_command(settings, WORKER)  # its kube-log-runner would not start with it
    assert "--container-runtime-endpoint=npipe:////./pipe/containerd-containerd" in kubelet_command(settings, WORKER)


def test_extra_arguments_replace_ours_and_blanks_are_quoted() -> None:
    settings = with_kubernetes(extra_args={"kubelet": {"v": "6", "node-labels": "a=b c"}})
    command = kubelet_command(settings, WORKER)
    assert "--v=6" in command
    assert "--v=2" not in command
    assert '--node-labels="a=b c"' in command


def with_kubernetes(**values: Any) -> Settings:
    return SETTINGS.model_copy(update={"kubernetes": Kubernetes(**{"version": "1.36.4", **values})})


@pytest.mark.parametrize(("version", "api"), [("1.36.4", "v1beta4"), ("1.33.13", "v1beta4")])
def test_the_join_configuration(version: str, api: str) -> None:
    text = join_config(
        with_kubernetes(version=version), WORKER, endpoint="192.168.56.10:6443", token="t.k", ca_hash="sha256:aa"
    )
    document = yaml.safe_load(text)
    assert document["apiVersion"] == f"kubeadm.k8s.io/{api}"
    token = document["discovery"]["bootstrapToken"]
    assert token == {"apiServerEndpoint": "192.168.56.10:6443", "token": "t.k", "caCertHashes": ["sha256:aa"]}
    registration = document["nodeRegistration"]
    assert registration["criSocket"] == "npipe:////./pipe/containerd-containerd"
    assert registration["taints"] == [{"key": "os", "value": "windows", "effect": "NoSchedule"}]
    assert registration["kubeletExtraArgs"] == [{"name": "node-ip", "value": "192.168.56.11"}]


def test_the_older_join_configuration_has_a_table_of_arguments() -> None:
    text = render(
        "kubeadm/join.yaml",
        api="v1beta3",
        endpoint="a:6443",
        token="t.k",
        ca_hash="sha256:aa",
        name="winw1",
        cri_socket="npipe:////./pipe/containerd-containerd",
        taints=[],
        kubelet_args={"node-ip": "192.168.56.11"},
        patches="",
    )
    assert yaml.safe_load(text)["nodeRegistration"]["kubeletExtraArgs"] == {"node-ip": "192.168.56.11"}


@pytest.mark.parametrize(
    ("version", "way", "bin_dirs"),
    [("2.3.4", 3, ["C:/opt/cni/bin"]), ("2.0.11", 3, None), ("1.7.34", 2, None)],
)
def test_containerds_configuration_by_line(version: str, way: int, bin_dirs: list[str] | None) -> None:
    import tomllib

    settings = SETTINGS.model_copy(update={"containerd": Containerd(linux=version, windows=version)})
    document = tomllib.loads(containerd_config(settings))
    assert document["version"] == way
    plugins = document["plugins"]
    if way == 3:
        assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
        cni = plugins["io.containerd.cri.v1.runtime"]["cni"]
    else:
        assert plugins["io.containerd.grpc.v1.cri"]["sandbox_image"] == "registry.k8s.io/pause:3.10.2"
        cni = plugins["io.containerd.grpc.v1.cri"]["cni"]
    assert cni["conf_dir"] == "C:/etc/cni/net.d"
    assert cni.get("bin_dirs") == bin_dirs
    assert ("bin_dir" in cni) == (bin_dirs is None)


def test_containerd_goes_out_by_the_proxy_but_not_to_the_nodes() -> None:
    settings = SETTINGS.model_copy(update={"network": Network(proxy="http://10.1.1.1:3128")})
    step = next(s for s in windows_steps(settings, WORKER) if s.name == "containerd@winw1")
    lines = dict(line.split("=", 1) for line in cast(Any, step.scripts[0].parameters["environment"]))
    assert lines["HTTPS_PROXY"] == "http://10.1.1.1:3128"
    assert {"192.168.56.0/24", "10.244.0.0/16", "10.96.0.0/12", ".svc"} <= set(lines["NO_PROXY"].split(","))


@dataclass
class FakeGuest:
    boots: list[str] = field(default_factory=list)


@dataclass
class FakeContext:
    """What apply asks for, written down; `fail` makes the first script fail, `after` is the world then."""

    world: World
    fail: bool = False
    after: list[World] = field(default_factory=list)
    ran: list[tuple[ScriptCall, dict[str, Any]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    settings: Settings = SETTINGS
    shared: dict[str, object] = field(default_factory=dict)
    deadline: Deadline = field(default_factory=lambda: Deadline(60))
    guest_: FakeGuest = field(default_factory=FakeGuest)

    def run(self, call: ScriptCall, **runtime: Any) -> dict[str, object]:
        assert set(runtime) == set(call.runtime)
        self.ran.append((call, runtime))
        if self.fail:
            self.fail = False
            raise StepFailed("curl.exe ended with 56")
        return {"token": "abcdef.0123456789abcdef", "ca_hash": "sha256:aa", "endpoint": "192.168.56.10:6443"}

    def restart(self, boot: Callable[[MachineFacts], Boot]) -> None:
        self.guest_.boots.append("reboot")
        self.refresh()
        assert boot(self.world.machine("winw1")).id

    def refresh(self, *sections: str, machine: str | None = None) -> None:
        if machine is not None:
            return
        self.said.append(f"refresh {' '.join(sections)}".strip())
        if self.after:
            self.world = self.after.pop(0)

    def guest(self) -> FakeGuest:
        return self.guest_

    def on_line(self, text: str) -> None:
        self.said.append(text)

    def waits_for(self, what: str) -> None:
        self.said.append(f"waits for {what}")


def apply(step: str, context: FakeContext) -> FakeContext:
    made = STEPS[step].apply
    assert made is not None
    made(cast(Context, context))
    return context


class Depot:
    def url(self, name: str) -> str:
        return f"http://192.168.56.10:8800/secret/{name}"


def pulling(**more: Any) -> FakeContext:
    sections = changed("installed/components/kubernetes", ABSENT)
    del sections["delivered"]["files"]["kubelet.exe"]
    return FakeContext(world=world(sections), shared={"depot": Depot()}, **more)


def test_a_delivery_pulls_only_what_is_lacking() -> None:
    ((_, runtime),) = apply("deliver-kubernetes", pulling()).ran
    url = "http://192.168.56.10:8800/secret/kubelet.exe"
    assert runtime["files"] == [{"name": "kubelet.exe", "url": url, "digest": DIGESTS["kubelet.exe"]}]


def test_a_delivery_that_the_restart_cut_off_goes_on() -> None:
    restarted = changed("os/boot_time", "2026-11-21T09:00:00Z")
    context = apply("deliver-kubernetes", pulling(fail=True, after=[world(restarted)]))
    assert len(context.ran) == 2


def test_a_delivery_that_fails_without_a_restart_fails() -> None:
    with pytest.raises(StepFailed):
        apply("deliver-kubernetes", pulling(fail=True, after=[world(finished())]))


def test_the_restart_is_repeated_once_when_windows_asks_again() -> None:
    again = world(changed("os/pending_reboot", ["Windows Update"]))
    assert apply("reboot", FakeContext(world=again, after=[world(finished())])).guest_.boots == ["reboot"]
    assert apply("reboot", FakeContext(world=again, after=[again, again])).guest_.boots == ["reboot", "reboot"]


def test_a_join_takes_a_token_of_the_control_plane_and_checks_its_ca() -> None:
    context = apply("join", FakeContext(world=world(changed("kubelet/joined", False))))
    (token_call, _), (join_call, runtime) = context.ran
    assert token_call.machine == "cp1"
    document = yaml.safe_load(runtime["join_config"])
    assert document["discovery"]["bootstrapToken"]["token"] == "abcdef.0123456789abcdef"
    assert document["discovery"]["bootstrapToken"]["caCertHashes"] == ["sha256:aa"]
    assert "abcdef" not in str(join_call.documents)


def test_a_joined_node_whose_kubelet_stands_still_gets_no_token() -> None:
    ((call, runtime),) = apply("join", FakeContext(world=world(changed("kubelet/service", "Stopped")))).ran
    assert call.template == "windows/80-join.ps1"
    assert runtime == {"join_config": "", "leave": False}


def test_a_node_whose_cluster_is_gone_leaves_it_and_joins_the_new_one() -> None:
    context = apply("join", FakeContext(world=world(changed("kubelet/authority", "b" * 64))))
    (token, _), (_, runtime) = context.ran
    assert token.template == "linux/70-join-token.sh"
    assert runtime["leave"] is True
    assert runtime["join_config"]


def test_a_node_of_another_cluster_is_not_touched() -> None:
    context = FakeContext(world=world(changed("kubelet/server", "https://10.1.1.1:6443")))
    with pytest.raises(Refused) as error:
        apply("join", context)
    assert "https://10.1.1.1:6443" in str(error.value)
    assert not context.ran


def test_a_windows_that_cannot_be_used_ends_the_run_with_the_way_out() -> None:
    with pytest.raises(StepFailed) as error:
        apply("windows-release", FakeContext(world=world(changed("os/ubr", 2582))))
    assert "KB5044281" in str(error.value)
    assert "box" in error.value.remedy


def test_containerd_is_installed_from_the_locked_digests() -> None:
    ((_, runtime),) = apply("containerd", FakeContext(world=world(finished()))).ran
    names = ("containerd-windows.tar.gz", "crictl-windows.tar.gz")
    assert runtime["digests"] == {name: DIGESTS[name] for name in names}
