#!/bin/bash
# A manifest of ours is in the cluster as it stands here. Applying it again changes nothing.
# Usage: bash 84-apply.sh   (as root on the control plane)
# Shared by every Linux script: strict mode, and the few words that all of them use.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RESULT=''

# A line of progress for people.
say() {
    printf '%s\n' "$1"
}

# End with a reason and a remedy; both reach the person who started the run.
fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A text as a JSON string.
json_text() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    text="${text//[[:cntrl:]]/ }"
    printf '"%s"' "$text"
}

# true or false, as the command given says.
json_bool() {
    if "$@"; then
        printf 'true'
    else
        printf 'false'
    fi
}

# Adds a text to the script's own result, beside the facts.
result() {
    RESULT="$RESULT, $(json_text "$1"): $(json_text "$2")"
}

# Shared by the scripts that talk to the API.
kube() {
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=30s "$@"
}

kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
# kube-proxy on Windows: our start script in a ConfigMap, the host's own C:\k\kube-proxy.exe, so that a new build of it
# only needs a restart of the pod. It has the rights of the account that kubeadm made for kube-proxy.
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-proxy-windows
  namespace: kube-system
data:
  start.ps1: |
    # Usage: starts kube-proxy on a Windows node once Calico has made its network. Runs in the container of the DaemonSet
    # kube-proxy-windows; by hand: set NODE_NAME and CONTAINER_SANDBOX_MOUNT_POINT first.
    $NetworkName = 'Calico'
    $Server = 'https://192.168.56.10:6443'
    $FeatureGates = ''
    $Verbosity = 2
    $LimitSeconds = 900

    Set-StrictMode -Version Latest
    $ErrorActionPreference = 'Stop'
    $clock = [System.Diagnostics.Stopwatch]::StartNew()

    function Test-Called($Row, [string]$Name) {
        # Rows of the host networking service have only the properties that somebody set: endpoints of other nodes, made
        # by an earlier kube-proxy, need not have a name, and asking for it would end this script.
        if ($null -eq $Row) { return $false }
        $names = @($Row.PSObject.Properties | ForEach-Object { $_.Name })
        if ($names -notcontains 'Name') { return $false }
        $Row.Name -eq $Name
    }

    Write-Output "waiting for the network $NetworkName"
    while ($true) {
        $networks = @(Get-HnsNetwork | Where-Object { Test-Called $_ $NetworkName })
        if ($networks.Count -gt 0) { break }
        if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "there is no network $NetworkName after $LimitSeconds s" }
        Start-Sleep -Seconds 2
    }

    $arguments = @(
        "--hostname-override=$env:NODE_NAME",
        '--proxy-mode=kernelspace',
        '--kubeconfig=C:\var\lib\kube-proxy\kubeconfig.conf',
        '--enable-dsr=true',
        "--v=$Verbosity"
    )
    if ($networks[0].Type -eq 'Overlay') {
        # On VXLAN, kube-proxy has to know the address that it translates sources to: that of Calico's own endpoint.
        Write-Output 'waiting for the endpoint Calico_ep'
        while ($true) {
            $endpoints = @(Get-HnsEndpoint | Where-Object { Test-Called $_ 'Calico_ep' })
            if ($endpoints.Count -gt 0) { break }
            if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "there is no endpoint Calico_ep after $LimitSeconds s" }
            Start-Sleep -Seconds 2
        }
        $arguments += "--source-vip=$($endpoints[0].IPAddress)"
    }
    if ($FeatureGates -ne '') { $arguments += "--feature-gates=$FeatureGates" }

    # The service account's own token, which the kubelet renews in place. The mount point ends with a backslash
    # (microsoft/hcsshim internal/jobcontainers).
    $account = "$($env:CONTAINER_SANDBOX_MOUNT_POINT.TrimEnd('\'))\var\run\secrets\kubernetes.io\serviceaccount"
    $config = @"
    apiVersion: v1
    kind: Config
    clusters:
    - name: default
      cluster:
        server: $Server
        certificate-authority: '$account\ca.crt'
    users:
    - name: default
      user:
        tokenFile: '$account\token'
    contexts:
    - name: default
      context:
        cluster: default
        user: default
    current-context: default
    "@
    New-Item -ItemType Directory -Path 'C:\var\lib\kube-proxy' -Force | Out-Null
    Set-Content -LiteralPath 'C:\var\lib\kube-proxy\kubeconfig.conf' -Value $config -Encoding Ascii

    # Lists that an earlier kube-proxy left would be taken for its own.
    $lists = @(Get-HnsPolicyList | Where-Object { $null -ne $_ })
    if ($lists.Count -gt 0) {
        Write-Output "removing $($lists.Count) policy lists of an earlier kube-proxy"
        $lists | Remove-HnsPolicyList
    }

    $env:KUBE_NETWORK = $NetworkName
    Write-Output "C:\k\kube-proxy.exe $($arguments -join ' ')"
    & 'C:\k\kube-proxy.exe' @arguments
    exit $LASTEXITCODE

---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-proxy-windows
  namespace: kube-system
  labels:
    k8s-app: kube-proxy-windows
  annotations:
    hybrid/digest: "0f7e29316e183a80"
spec:
  selector:
    matchLabels:
      k8s-app: kube-proxy-windows
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: "100%"
  template:
    metadata:
      labels:
        k8s-app: kube-proxy-windows
      annotations:
        hybrid/digest: "0f7e29316e183a80"
    spec:
      serviceAccountName: kube-proxy
      priorityClassName: system-node-critical
      hostNetwork: true
      securityContext:
        windowsOptions:
          hostProcess: true
          runAsUserName: "NT AUTHORITY\\SYSTEM"
      nodeSelector:
        kubernetes.io/os: windows
      tolerations:
        - operator: Exists
      containers:
        - name: kube-proxy
          image: "mcr.microsoft.com/oss/kubernetes/windows-host-process-containers-base-image:v1.0.0"
          imagePullPolicy: IfNotPresent
          command:
            - powershell.exe
            - -NoProfile
            - -NonInteractive
            - -ExecutionPolicy
            - Bypass
            - -Command
            - "& $env:CONTAINER_SANDBOX_MOUNT_POINT/hybrid/start.ps1; exit $LASTEXITCODE"
          env:
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
          volumeMounts:
            - name: start
              mountPath: /hybrid
      volumes:
        - name: start
          configMap:
            name: kube-proxy-windows
MANIFEST
# ---- facts: printed as the last line, {"facts": {"<section>": {...}}, ...}. Reads only, changes nothing.
# Each section has a time limit: every program that could hang runs under `limited`, with what is left of it.
SECTION_END=0

limited() {
    local left=$((SECTION_END - SECONDS))
    if [ "$left" -lt 1 ]; then
        return 124
    fi
    timeout -k 2 "$left" "$@"
}

unknown() {
    printf '{"unknown": %s}' "$(json_text "$1")"
}

# The section's JSON, or why nobody can say it. A program that ran out of time has used up the section's limit.
section_text() {
    local name="$1" seconds="$2" text=''
    SECTION_END=$((SECONDS + seconds))
    if ! text="$("$name")"; then
        text="$(unknown 'the probe of this section failed')"
    fi
    if [ "$SECONDS" -ge "$SECTION_END" ]; then
        text="$(unknown "it took longer than $seconds s")"
    fi
    printf '%s' "$text"
}

# Asks the API. ANSWER holds what it said; without a cluster or an answer, the reason.
ask() {
    if [ ! -f /etc/kubernetes/admin.conf ]; then
        printf 'there is no cluster yet'
        return 1
    fi
    limited kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s "$@" 2>&1
}

# DaemonSets and Deployments, "<namespace>/<name>": how many pods there should be and are ready, which manifest made
# them, and the image of their first container.
facts_cluster_workloads() {
    local answer kind space name wanted ready replicas available digest image list='' entry
    if ! answer="$(ask get daemonsets,deployments --all-namespaces -o jsonpath='{range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.status.desiredNumberScheduled}|{.status.numberReady}|{.spec.replicas}|{.status.readyReplicas}|{.metadata.annotations.hybrid/digest}|{.spec.template.spec.containers[0].image}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r kind space name wanted ready replicas available digest image; do
        case "$kind" in
            DaemonSet) entry="\"wanted\": ${wanted:-0}, \"ready\": ${ready:-0}" ;;
            Deployment) entry="\"wanted\": ${replicas:-0}, \"ready\": ${available:-0}" ;;
            *) continue ;;
        esac
        list="$list${list:+, }$(json_text "$space/$name"): {$entry, \"digest\": $(json_text "$digest"), \"image\": $(json_text "$image")}"
    done <<< "$answer"
    printf '{"workloads": %s}' "{$list}"
}

FACTS=''
FACTS="$FACTS\"cluster.workloads\": $(section_text facts_cluster_workloads 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
