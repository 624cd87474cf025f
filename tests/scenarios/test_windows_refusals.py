"""The modelled Windows refuses what Windows refuses: wrong order, wrong files, wrong options, wrong tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.errors import StepFailed
from provision.rehearsal.models.windows_hns import NotPossible
from provision.rehearsal.standin import standin
from provision.render.engine import render
from provision.steps.base import Missing, Satisfied
from tests.scenarios import windows_bench
from tests.scenarios.windows_bench import Bench
from tests.waiting import PATIENCE, until

FLAGS = "--cgroups-per-qos=false --enforce-node-allocatable="


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("refusals"))
    made.all("calico-windows")
    return made


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("nonsense.exe", 1, "is not recognized"),
        ("sc.exe query nobody", 1060, "FAILED 1060"),
        ("sc.exe failure WinRM actions= restart/x/run", 1639, "Invalid usage"),
        ("sc.exe frobnicate WinRM", 1639, "Invalid usage"),
        ("netsh.exe int ipv4 set dynamicport tcp start=80 num=10", 1, "parameter is incorrect"),
        ("netsh.exe int ipv6 show everything", 1, "command was not found"),
        ("shutdown.exe /x", 1, "Usage"),
        ("curl.exe --frobnicate http://192.168.56.10:8080/x", 2, "is unknown"),
        ("curl.exe --fail http://192.168.56.10:8080/secret/nothing", 22, "404"),
        ("curl.exe --fail http://192.168.56.10:8081/x", 7, "refused"),
        ("curl.exe --fail http://192.168.56.99:8080/x", 28, "Timed out"),
        ("curl.exe --fail http://cp1:8080/x", 6, "resolve"),
        ("tar.exe -xf C:\\nothing.tar.gz", 1, "Failed to open"),
        ("tar.exe --frobnicate -xf C:\\nothing.tar.gz", 1, "not supported"),
        ("certutil.exe -hashfile C:\\nothing SHA256", 0x80070002, "FILE_NOT_FOUND"),
        ("w32tm.exe /frobnicate", 0x80070057, "is unknown"),
        ("powershell.exe -File C:\\nothing.ps1", 0xFFFD0000, "does not exist"),
        ("powershell.exe -ExecutionPolicy Sometimes -File x.ps1", 0xFFFD0000, "ExecutionPolicy"),
        ("powershell.exe -EncodedCommand %%%", 0xFFFD0000, "encoded"),
        ("echo one & echo two", 1, "not modelled"),
    ],
)
def test_a_command_line_is_refused(joined: Bench, line: str, code: int, says: str) -> None:
    result = joined.line(line)
    assert result.code == code
    assert says in result.out + result.err


@pytest.mark.parametrize(
    ("script", "id"),
    [
        ("Get-Service -Name nobody", "NoServiceFoundForGivenName"),
        ("Get-NetAdapter -Name nobody", "CmdletizationQuery_NotFound_Name"),
        ("New-NetIPAddress -InterfaceIndex 99 -IPAddress 10.0.0.1 -PrefixLength 24", "CmdletizationQuery_NotFound"),
        ("New-NetIPAddress -InterfaceIndex 4 -IPAddress 192.168.56.11 -PrefixLength 24", "Windows System Error 5010"),
        ("Remove-NetIPAddress -IPAddress 192.168.56.11", "InvalidOperation"),
        ("Install-WindowsFeature -Name Nonsense", "NameDoesNotExist"),
        ("Get-CimInstance -ClassName Win32_Nonsense", "HRESULT 0x80041010"),
        ("Get-CimInstance -ClassName Win32_Service -Filter \"Nonsense='x'\"", "HRESULT 0x80041017"),
        ('Get-CimInstance -ClassName Win32_Service -Filter "Name LIKE"', "HRESULT 0x80041017"),
        ("Rename-Computer -NewName 'much-too-long-a-name'", "InvalidNewName"),
        ("Restart-Computer", "RestartcomputerFailed"),
        ("New-NetFirewallRule -DisplayName x -Protocol TCP -LocalPort 99999", "Windows System Error 87"),
        ("New-NetFirewallRule -DisplayName x -Protocol nonsense", "Windows System Error 87"),
        ("New-NetFirewallRule -Name hybrid-kubelet -DisplayName x", "Windows System Error 183"),
        ("Get-NetFirewallRule -Name nobody", "CmdletizationQuery_NotFound_InstanceID"),
        ("Get-ScheduledTask -TaskName nobody", "CmdletizationQuery_NotFound_TaskName"),
        ("Stop-Service -Name containerd", "ServiceHasDependentServices"),
        ("New-Service -Name kubelet -BinaryPathName x", "CouldNotNewService"),
        ("New-ItemProperty -LiteralPath 'HKLM:\\SOFTWARE\\Nowhere' -Name x -Value 1", "PathNotFound"),
        ("Get-Acl -LiteralPath 'C:\\nowhere'", "GetAcl_PathNotFound_Exception"),
    ],
)
def test_a_command_is_refused_by_its_id(joined: Bench, script: str, id: str) -> None:
    text = (
        f"$ErrorActionPreference = 'Stop'\ntry {{ {script} }} catch {{ Write-Output $_.FullyQualifiedErrorId; exit 3 }}"
    )
    result = joined.script(text)
    assert result.code == 3, result.out + result.err
    assert id in result.out


def test_hns_commands_come_with_the_feature(bench: Bench) -> None:
    assert bench.script("$ErrorActionPreference = 'Stop'\nGet-HnsNetwork").code == 1


def test_features_are_active_only_after_the_restart(bench: Bench) -> None:
    bench.all("features")
    query = "(Get-CimInstance -ClassName Win32_OptionalFeature -Filter \"Name='Containers'\").InstallState"
    assert bench.script(query).out.strip() == "2"
    bench.reboot(bench.deadline)
    assert bench.script(query).out.strip() == "1"


def test_without_the_restart_no_pod_can_run(bench: Bench) -> None:
    bench.all("features")
    for name in ("deliver-containerd", "deliver-kubernetes", "firewall", "containerd", "kubernetes", "kubelet-service"):
        assert isinstance(bench.apply(name), Satisfied), name
    with pytest.raises(StepFailed) as caught:
        bench.apply("join")
    assert "CRI" in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: setattr(b.master.api, "kubernetes_version", "v1.35.0"), "does not fit the control plane"),
        (lambda b: b.machine.files.remove("C:\\k\\kubelet.exe"), "kubelet"),
        (lambda b: b.machine.files.remove("C:\\Windows\\System32\\xcopy.exe"), "xcopy"),
        (lambda b: b.master.power_off(), "deadline exceeded"),
        (lambda _: setattr(windows_bench, "TOKEN", "other0.0123456789abcdef"), "invalid token"),
        (lambda _: setattr(windows_bench, "CA_HASH", "sha256:" + "b" * 64), "none of the public keys is pinned"),
    ],
)
def test_a_join_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Bench], object], says: str
) -> None:
    bench = Bench(tmp_path)
    bench.all("egress")
    token, pinned = windows_bench.TOKEN, windows_bench.CA_HASH
    monkeypatch.setattr(windows_bench, "TOKEN", token)
    monkeypatch.setattr(windows_bench, "CA_HASH", pinned)
    master_call = {"token": token, "ca_hash": pinned, "endpoint": f"{windows_bench.MASTER}:6443"}
    spoil(bench)
    bench.join_material = master_call
    with pytest.raises(StepFailed) as caught:
        bench.apply("join")
    assert says in str(caught.value)
    assert not bench.machine.files.exists("C:\\etc\\kubernetes\\kubelet.conf")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("C:\\k\\nothing.exe --windows-service", "cannot find the file"),
        (f"C:\\k\\kubelet.exe {FLAGS} --config=C:\\var\\lib\\kubelet\\config.yaml", "did not respond"),
        (f"C:\\k\\kubelet.exe --windows-service {FLAGS} --pod-infra-container-image=x", "unknown flag"),
        (f"C:\\k\\kubelet.exe --windows-service {FLAGS} --frobnicate", "unknown flag"),
        (f"C:\\k\\kubelet.exe --windows-service {FLAGS} --config=C:\\nothing.yaml", "failed to load kubelet config"),
        ("C:\\k\\kubelet.exe --windows-service --config=C:\\var\\lib\\kubelet\\config.yaml", "CgroupsPerQOS"),
        ("C:\\k\\kubeadm.exe --windows-service", "did not respond"),
        ("C:\\k\\kube-log-runner.exe --frobnicate C:\\k\\kubelet.exe", "not defined"),
        ("C:\\k\\kube-log-runner.exe --log-file-size=big C:\\k\\kubelet.exe", "invalid value"),
        ("C:\\k\\kube-log-runner.exe --log-file=C:\\nowhere\\x.log C:\\k\\kubelet.exe", "cannot find the path"),
    ],
)
def test_a_wrong_command_line_keeps_the_kubelet_from_running(joined: Bench, command: str, says: str) -> None:
    text = f"""
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'"
$before = $service.PathName
Invoke-CimMethod -InputObject $service -MethodName Change -Arguments @{{ PathName = '{command}' }} | Out-Null
Stop-Service -Name kubelet
try {{ Start-Service -Name kubelet -ErrorAction Stop }} catch {{ Write-Output $_.Exception.Message }}
Write-Output "$((Get-Service -Name kubelet).Status)"
Invoke-CimMethod -InputObject $service -MethodName Change -Arguments @{{ PathName = $before }} | Out-Null
Start-Service -Name kubelet
"""
    result = joined.script(text)
    assert result.code == 0, result.err
    assert "Stopped" in result.out.splitlines()
    events = [event["text"] for event in joined.machine.state.data.get("events", [])]
    assert says in result.out or any(says in text for text in events[-2:]), (result.out, events[-2:])
    assert joined.machine.node() is not None


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("version = 3\nversion = 3\n", "TOML"),
        ("version = 4\n", "equal to or less than `3`"),
        ("\ufeffversion = 3\n", "TOML"),
        ("version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dir = 'a'\nbin_dirs = ['b']\n", "same time"),
        ("version = 3\nnonsense = 1\n", "missing in the target struct"),
    ],
)
def test_a_wrong_configuration_keeps_containerd_from_running(joined: Bench, config: str, says: str) -> None:
    path = "C:\\Program Files\\containerd\\config.toml"
    before = joined.machine.files.read(path)
    joined.machine.files.write(path, config.encode())
    result = joined.script(
        "Restart-Service -Name containerd -Force -ErrorAction SilentlyContinue\n(Get-Service containerd).Status"
    )
    joined.machine.files.write(path, before)
    assert "Stopped" in result.out
    assert says in joined.machine.state.data["events"][-1]["text"]
    joined.script("Start-Service -Name kubelet").require()


def test_registering_containerd_twice_fails(joined: Bench) -> None:
    result = joined.line('"C:\\Program Files\\containerd\\containerd.exe" --register-service --log-file=C:\\x.log')
    assert result.code == 1
    assert "already exists" in result.err


@pytest.mark.parametrize(
    "data",
    [
        b"MZ not a stand-in",
        standin("kubelet", "v1.36.4", "linux"),
        standin("kubelet", "v1.36.4", "windows")[:-1] + b"x",
    ],
)
def test_a_wrong_file_is_no_program(joined: Bench, data: bytes) -> None:
    joined.machine.files.write("C:\\k\\wrong.exe", data)
    result = joined.line("C:\\k\\wrong.exe --version")
    assert result.code != 0
    assert "not a valid application" in result.err


# kube-proxy as a HostProcess container


def proxy(bench: Bench, killed: threading.Event, **values: object) -> tuple[int, str]:
    given = {"server": "https://192.168.56.10:6443", "feature_gates": "", "verbosity": 2, **values}
    text = render("cni/kube-proxy-windows/start.ps1", **given)
    command = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command",
               "& $env:CONTAINER_SANDBOX_MOUNT_POINT/hybrid/start.ps1; exit $LASTEXITCODE")  # fmt: skip
    said = bytearray()
    mounts = {"/hybrid/start.ps1": text.encode()}
    code = bench.machine.host_process(command, {"NODE_NAME": "winw1"}, mounts, killed, said.extend)
    return code, said.decode()


def test_kube_proxy_runs_until_it_is_ended(joined: Bench) -> None:
    killed = threading.Event()
    runner = threading.Thread(target=proxy, args=(joined, killed), daemon=True)
    runner.start()
    until(lambda: joined.machine.proxy_runs, "kube-proxy")
    killed.set()
    runner.join(PATIENCE)
    assert not runner.is_alive()
    assert not joined.machine.proxy_runs


def test_a_gate_that_is_gone_keeps_kube_proxy_from_running(joined: Bench) -> None:
    code, said = proxy(joined, threading.Event(), feature_gates="Nonsense=true")
    assert code == 1
    assert "unrecognized feature gate" in said
    assert not joined.machine.proxy_runs


def test_calico_needs_its_card_and_its_feature(bench: Bench) -> None:
    with pytest.raises(NotPossible, match="does not run"):
        bench.machine.calico_started(adapter="kube", pod_subnet="10.244.1.0/26")
    bench.all("join")
    with pytest.raises(NotPossible, match="no card nobody"):
        bench.machine.calico_started(adapter="nobody", pod_subnet="10.244.1.0/26")


def test_calico_without_an_adapter_takes_the_wrong_card(bench: Bench) -> None:
    bench.all("join")
    bench.machine.calico_started(adapter="", pod_subnet="10.244.1.0/26")
    bench.refresh("hns")
    judged = bench.judge("calico-windows")
    assert isinstance(judged, Missing)
    assert "10.0.2.15" in judged.reason


def test_a_running_program_can_be_renamed_and_nothing_else(joined: Bench) -> None:
    files = joined.machine.files
    for path in ("C:\\k\\kubelet.exe", "C:\\Program Files\\containerd\\containerd.exe"):
        with pytest.raises(PermissionError):
            files.write(path, b"new")
        with pytest.raises(PermissionError):
            files.remove(path)
        files.rename(path, path + ".old")
        with pytest.raises(PermissionError):
            files.remove(path + ".old")
        files.rename(path + ".old", path)
    result = joined.script("Remove-Item -LiteralPath 'C:\\k\\kubelet.exe' -Force -ErrorAction Stop")
    assert result.code == 1


def test_without_failure_actions_the_kubelet_stays_down_after_a_crash(bench: Bench) -> None:
    bench.all("join")
    bench.line('sc.exe failure kubelet reset= 0 actions= ""').require()
    bench.machine.calico_started(adapter="kube", pod_subnet="10.244.1.0/26")
    assert bench.machine.node() is None


def test_the_virtual_card_is_a_new_card(bench: Bench) -> None:
    bench.all("join")
    bench.machine.calico_started(adapter="kube", pod_subnet="10.244.1.0/26")
    query = "(Get-NetConnectionProfile -InterfaceAlias 'vEthernet (kube)').NetworkCategory.ToString()"
    assert bench.script(query).out.strip() == "Public"
    bench.refresh()
    # From now on one step alone looks after the card, its profile and its route.
    assert isinstance(bench.judge("card"), Satisfied)
    assert isinstance(bench.judge("egress"), Satisfied)
    looked_after = bench.judge("calico-windows")
    assert isinstance(looked_after, Missing)
    assert bench.machine.node() is not None


def test_a_machine_whose_clock_is_gone_cannot_join(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=("clock-gone",))
    bench.all("egress")
    with pytest.raises(StepFailed, match="ended with exit code") as caught:
        bench.apply("join")
    assert "not yet valid: current time" in str(caught.value)
