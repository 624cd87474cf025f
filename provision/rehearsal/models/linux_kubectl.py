"""kubectl: asks and changes the modelled cluster as far as our scripts do."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import yaml

from provision.rehearsal import yaml_text
from provision.rehearsal.models import cluster_manifests, jsonpath
from provision.rehearsal.models.cluster import Cluster
from provision.rehearsal.models.cluster_objects import Kind, Object, UnknownKind
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_kubectl_config import connect
from provision.rehearsal.models.linux_process import duration
from provision.rehearsal.models.linux_program import Failed, Options, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported

FLAGS = [
    "-A|--all-namespaces", "--ignore-not-found", "--server-side", "--force-conflicts", "--overwrite", "--no-headers",
    "--all",
]  # fmt: skip
VALUES = [
    "--kubeconfig", "--request-timeout", "-n|--namespace", "-o|--output", "-f|--filename", "--field-manager",
    "--field-selector", "-l|--selector", "--raw", "--for", "--timeout", "--type", "-p|--patch", "--sort-by",
]  # fmt: skip


class _Kubectl:
    """One call, with its cluster."""

    def __init__(self, box: LinuxBox, call: Call, given: Options, cluster: Cluster) -> None:
        self.box, self.call, self.given, self.cluster = box, call, given, cluster
        self.words = given.operands[1:]

    @property
    def objects(self) -> Any:
        return self.cluster.objects

    def kind(self, word: str) -> Kind:
        try:
            return cast(Kind, self.objects.kind_of(word))
        except UnknownKind:
            raise Failed(f'error: the server doesn\'t have a resource type "{word}"') from None

    @property
    def namespace(self) -> str:
        return self.given.get("-n", "default")

    def targets(self, words: list[str]) -> list[tuple[Kind, str]]:
        """``kind name...`` or ``kind/name ...``.

        Raises:
            Failed: neither.
        """
        if not words:
            raise Failed("error: resource(s) were provided, but no name was specified")
        if "/" in words[0]:
            pairs = [word.partition("/") for word in words]
            return [(self.kind(kind), name) for kind, _, name in pairs]
        return [(self.kind(words[0]), name) for name in words[1:]]

    def not_found(self, kind: Kind, name: str) -> Failed:
        shown = kind.full
        return Failed(f'Error from server (NotFound): {shown} "{name}" not found')

    # -- get -------------------------------------------------------------------------------------------------

    def get(self) -> int:
        if "--raw" in self.given:
            return self._raw(self.given.get("--raw"))
        if not self.words:
            raise Usage("error: You must specify the type of resource to get.")
        named = "/" in self.words[0] or len(self.words) > 1
        found: list[tuple[Kind, Object]] = []
        missing: list[Failed] = []
        if named:
            for kind, name in self.targets(self.words):
                item = self.objects.find(kind, self.namespace, name)
                if item is not None:
                    found.append((kind, item))
                elif "--ignore-not-found" not in self.given:
                    missing.append(self.not_found(kind, name))
        else:
            everywhere = "-A" in self.given
            for word in self.words[0].split(","):
                kind = self.kind(word)
                space = None if everywhere or not kind.namespaced else self.namespace
                found += [(kind, item) for item in self.objects.of(kind, space) if self._selected(item)]
        alone = named and len(found) <= 1 and len(self.targets(self.words)) == 1
        if found or not named:
            self._print(found, alone)
        for error in missing:
            self.call.err(f"{error}\n")
        return 1 if missing else 0

    def _selected(self, item: Object) -> bool:
        for condition in [c for c in self.given.get("--field-selector").split(",") if c]:
            path, _, value = condition.partition("=")
            if path not in ("type", "metadata.name", "status.phase", "spec.nodeName", "metadata.namespace"):
                raise Failed(f"Error from server (BadRequest): field label not supported: {path}")
            if jsonpath.evaluate("{." + path + "}", item) != value.lstrip("="):
                return False
        for condition in [c for c in self.given.get("-l").split(",") if c]:
            key, equals, value = condition.partition("=")
            labels = item["metadata"].get("labels", {})
            if key not in labels or (equals and labels[key] != value.lstrip("=")):
                return False
        return True

    def _print(self, found: list[tuple[Kind, Object]], alone: bool) -> None:
        form = self.given.get("-o")
        items = [item for _, item in found]
        document: Object = items[0] if alone else {"apiVersion": "v1", "kind": "List", "items": items}
        if form == "json":
            self.call.out(json.dumps(document, indent=4) + "\n")
        elif form == "yaml":
            self.call.out(yaml.safe_dump(document, sort_keys=False))
        elif form == "name":
            for kind, item in found:
                shown = f"{kind.kind.lower()}.{kind.group}" if kind.group else kind.kind.lower()
                self.call.out(f"{shown}/{item['metadata']['name']}\n")
        elif form.startswith("jsonpath="):
            try:
                self.call.out(jsonpath.evaluate(form.removeprefix("jsonpath="), document))
            except jsonpath.BadTemplate as error:
                raise Failed(f"error: error parsing jsonpath {form.removeprefix('jsonpath=')}, {error}") from None
        elif form in ("", "wide"):
            self._table(found)
        else:
            raise Failed(f'error: unable to match a printer suitable for the output format "{form}"')

    def _table(self, found: list[tuple[Kind, Object]]) -> None:
        if not found:
            self.call.err("No resources found\n")
            return
        for kind, item in found:
            metadata, status = item["metadata"], item.get("status", {})
            space = f"{metadata['namespace']}   " if "-A" in self.given and "namespace" in metadata else ""
            shown = status.get("phase", "")
            for condition in status.get("conditions", []):
                shown += f" {condition['type']}={condition['status']}"
                shown += f" ({condition['message']})" if condition.get("message") else ""
            self.call.out(f"{space}{kind.kind.lower()}/{metadata['name']}   {shown.strip()}\n")

    def _raw(self, path: str) -> int:
        place, _, query = path.partition("?")
        if place in ("/readyz", "/livez", "/healthz"):
            self.call.out("[+]ping ok\nreadyz check passed\n" if query == "verbose" else "ok")
            return 0
        raise Unsupported(f"kubectl get --raw {path}", 0)

    # -- changes ---------------------------------------------------------------------------------------------

    def documents(self) -> list[Object]:
        """The manifests of -f.

        Raises:
            Failed: they cannot be read.
        """
        name = self.given.get("-f")
        if not name:
            raise Usage("error: must specify one of -f and -k")
        try:
            text = self.call.stdin.read() if name == "-" else self.box.files.read(path_of(self.call, name))
        except FileNotFoundError:
            raise Failed(f'error: the path "{name}" does not exist') from None
        try:
            found = yaml_text.load_all(text.decode())
        except yaml.YAMLError as error:
            raise Failed(f"error: error parsing {name}: error converting YAML to JSON: {error}") from None
        if not found:
            raise Failed("error: no objects passed to apply")
        return found

    def apply(self) -> int:
        if "--force-conflicts" in self.given and "--server-side" not in self.given:
            raise Failed("error: --force-conflicts only works with --server-side")
        return self._write(create=False)

    def create(self) -> int:
        if self.words:
            raise Unsupported(" ".join(self.call.argv), 0)
        return self._write(create=True)

    def _write(self, *, create: bool) -> int:
        errors = 0
        for document in self.documents():
            try:
                self.call.out(self._put(document, create=create) + "\n")
            except (UnknownKind, cluster_manifests.Invalid, Failed) as error:
                errors += 1
                text = str(error)
                if isinstance(error, UnknownKind):
                    text = (
                        f'error: resource mapping not found for name: "{document["metadata"]["name"]}": '
                        f"{text}\nensure CRDs are installed first"
                    )
                self.call.err(text + "\n")
        return 1 if errors else 0

    def _put(self, document: Object, *, create: bool) -> str:
        kind = self.objects.kind_for(document)
        metadata = document.get("metadata") or {}
        if "name" not in metadata:
            raise cluster_manifests.Invalid("error: resource name may not be empty")
        if kind.namespaced:
            metadata.setdefault("namespace", self.namespace)
            if self.objects.get("namespaces", "", metadata["namespace"]) is None:
                raise Failed(f'Error from server (NotFound): namespaces "{metadata["namespace"]}" not found')
        cluster_manifests.judge(document)
        before = self.objects.find(kind, metadata.get("namespace", ""), metadata["name"])
        shown = f"{kind.kind.lower()}.{kind.group}" if kind.group else kind.kind.lower()
        if create and before is not None:
            raise Failed(
                f"Error from server (AlreadyExists): error when creating: {kind.full} "
                f'"{metadata["name"]}" already exists'
            )
        if not create and "--server-side" not in self.given and len(json.dumps(document)) > 262144:
            raise Failed(
                f'The {kind.kind} "{metadata["name"]}" is invalid: metadata.annotations: Too long: may '
                f"not be more than 262144 bytes"
            )
        self.objects.put(document)
        what = (
            "created"
            if create
            else "serverside-applied"
            if "--server-side" in self.given
            else "configured"
            if before
            else "created"
        )
        return f"{shown}/{metadata['name']} {what}"

    def patch(self) -> int:
        if self.given.get("--type") != "merge":
            raise Unsupported("kubectl patch without --type=merge", 0)
        try:
            change = json.loads(self.given.get("-p"))
        except ValueError as error:
            raise Failed(f"error: unable to parse {self.given.get('-p')!r}: {error}") from None
        for kind, name in self.targets(self.words):
            item = self.objects.find(kind, self.namespace, name)
            if item is None:
                raise self.not_found(kind, name)
            _merge(item, change)
            self.call.out(
                f"{kind.kind.lower()}.{kind.group}/{name} patched\n"
                if kind.group
                else f"{kind.kind.lower()}/{name} patched\n"
            )
        return 0

    def delete(self) -> int:
        code = 0
        for kind, name in self.targets(self.words):
            if self.objects.delete(kind, self.namespace, name):
                self.call.out(f'{kind.kind.lower()} "{name}" deleted\n')
            elif "--ignore-not-found" not in self.given:
                self.call.err(f"{self.not_found(kind, name)}\n")
                code = 1
        return code

    def label(self) -> int:
        pairs = [word for word in self.words if "=" in word or word.endswith("-")]
        for kind, name in self.targets([word for word in self.words if word not in pairs]):
            item = self.objects.find(kind, self.namespace, name)
            if item is None:
                raise self.not_found(kind, name)
            labels = item["metadata"].setdefault("labels", {})
            for pair in pairs:
                key, equals, value = pair.partition("=")
                if not equals:
                    labels.pop(pair[:-1], None)
                    continue
                if key in labels and labels[key] != value and "--overwrite" not in self.given:
                    raise Failed(f"error: '{key}' already has a value ({labels[key]}), and --overwrite is false")
                labels[key] = value
            self.call.out(f"{kind.kind.lower()}/{name} labeled\n")
        return 0

    def taint(self) -> int:
        pairs = [word for word in self.words if ":" in word or word.endswith("-")]
        for _, name in self.targets([word for word in self.words if word not in pairs]):
            node = self.objects.get("nodes", "", name)
            if node is None:
                raise Failed(f'Error from server (NotFound): nodes "{name}" not found')
            taints = node["spec"].setdefault("taints", [])
            for pair in pairs:
                found = re.fullmatch(r"([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)(-?)", pair)
                if not found:
                    raise Failed(f"error: unknown taint spec: {pair}")
                taints[:] = [t for t in taints if (t["key"], t["effect"]) != (found[1], found[3])]
                if not found[4]:
                    taints.append({"key": found[1], "value": found[2] or "", "effect": found[3]})
            self.call.out(f"node/{name} tainted\n")
        return 0

    # -- wait ------------------------------------------------------------------------------------------------

    def wait(self) -> int:
        wanted = self.given.get("--for")
        found = re.fullmatch(r"condition=(\w+)(?:=(\w+))?", wanted)
        if not found and wanted != "delete":
            raise Unsupported(f"kubectl wait --for={wanted}", 0)
        seconds = duration(self.given.get("--timeout", "30s")) or 0.0
        end = self.box.now() + seconds
        targets = self.targets(self.words)
        while True:
            with self.box.machine.state.reading():
                missing = [(k, n) for k, n in targets if not self._fulfilled(k, n, found)]
            if not missing:
                for kind, name in targets:
                    self.call.out(f"{kind.kind.lower()}/{name} condition met\n")
                return 0
            if self.box.now() >= end or self.box.killed.is_set():
                raise Failed(f"error: timed out waiting for the condition on {missing[0][0].full}/{missing[0][1]}")
            self.box.sleep(1.0)
            self.cluster.settle()

    def _fulfilled(self, kind: Kind, name: str, condition: re.Match[str] | None) -> bool:
        item = self.objects.find(kind, self.namespace, name)
        if condition is None:
            return item is None
        if item is None:
            raise self.not_found(kind, name)
        status = (condition[2] or "True").lower()
        conditions = item.get("status", {}).get("conditions", [])
        return any(c["type"].lower() == condition[1].lower() and c["status"].lower() == status for c in conditions)


def _merge(into: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


_VERBS = {"get", "apply", "create", "patch", "delete", "label", "taint", "wait"}
_WAITS = {"wait"}


def kubectl(box: LinuxBox, call: Call) -> int:
    given = options(call, FLAGS, VALUES)
    verb = given.operands[0] if given.operands else ""
    if verb == "version":
        call.out(f"Client Version: {box.version}\n")
        return 0
    if verb not in _VERBS:
        raise Usage(f'error: unknown command "{verb}" for "kubectl"')
    cluster = connect(box, call, given)
    cluster.settle()
    work = getattr(_Kubectl(box, call, given, cluster), verb)
    if verb in _WAITS:
        return int(work())
    with cluster.machine.state.change() if verb != "get" else cluster.machine.state.reading():
        return int(work())


register({"kubectl": kubectl})
