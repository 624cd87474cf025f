"""What comes before a join: a token that lives minutes, and nothing left of the machine's earlier life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from provision.clock import Deadline, monotonic
from provision.errors import StepFailed
from provision.facts.base import Section, UnknownFact, World
from provision.facts.cluster import Nodes, Tokens
from provision.facts.linux import Kubeadm
from provision.secrets import Secret
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, ScriptCall

S = TypeVar("S", bound=Section)

TTL_MINUTES = 20
_SHARED = "join-token"


@dataclass(frozen=True)
class JoinToken:
    """What a machine joins with; ``ca_hash`` pins the cluster's CA, ``endpoint`` is ``host:port``."""

    token: Secret
    ca_hash: str
    endpoint: str
    fresh: Deadline


def token_call(settings: Settings) -> ScriptCall:
    """The script that makes a token; for `invoke render` beside the join that needs it."""
    return ScriptCall(
        template="linux/70-join-token.sh",
        parameters={"ttl": f"{TTL_MINUTES}m"},
        machine=settings.control_plane.name,
        changes=(Tokens.name,),
    )


def join_token(ctx: Context) -> JoinToken:
    """A token that is good for the next minutes; machines that join at about the same time share one.

    Raises:
        StepFailed: kubeadm's answer is not what it should be.
    """
    known = ctx.shared.get(_SHARED)
    if isinstance(known, JoinToken) and not known.fresh.expired:
        return known
    started = monotonic()
    answer = ctx.run(token_call(ctx.settings))
    parts = [str(answer.get(key, "")) for key in ("token", "ca_hash", "endpoint")]
    if not all(parts) or not parts[1].startswith("sha256:"):
        got = ", ".join(key for key in ("token", "ca_hash", "endpoint") if answer.get(key)) or "nothing"
        raise StepFailed("kubeadm made no usable join token", details=f"it gave: {got}")
    # Half of its life: kubelet still needs it for a while after it was handed out.
    left = TTL_MINUTES * 30 - (monotonic() - started)
    made = JoinToken(Secret(parts[0]), parts[1], parts[2], Deadline(left, "the join token"))
    ctx.shared[_SHARED] = made
    return made


LEFT_BEHIND = "the cluster that it has joined is not there any more: its control plane was made again"


def left_behind(settings: Settings, world: World, authority: str) -> bool:
    """Whether a machine has joined a cluster that its own control plane has replaced: its CA is another one.

    Args:
        authority: the digest of the CA certificate that the machine joined with; empty before a join.

    Raises:
        UnknownFact: the control plane has not said its own.
    """
    ours = world.machine(settings.control_plane.name).get(Kubeadm).authority
    return bool(authority and ours) and authority != ours


def forget_call(settings: Settings, machine: Machine) -> ScriptCall:
    """The script that deletes the node of a machine that was made again."""
    return ScriptCall(
        template="linux/70-forget-node.sh",
        parameters={"name": settings.node_name(machine.name)},
        machine=settings.control_plane.name,
    )


def forget_node(ctx: Context, machine: Machine) -> None:
    """Delete the node of a machine that has not joined, where an earlier machine of that name has left one.

    kubeadm refuses to join under the name of a node that still counts as Ready (its kubelet has been silent for less
    than 50 s); a kubelet that finds its node keeps that one's taints, podCIDR and pods; Calico keeps its tunnel.
    """
    if known(ctx, Nodes, ctx.settings.control_plane.name).find(ctx.settings.node_name(machine.name)) is not None:
        ctx.waits_for("the node of the machine that was here before to go")
        ctx.run(forget_call(ctx.settings, machine))
        ctx.refresh(Nodes.name, machine=ctx.settings.control_plane.name)


def known(ctx: Context, section: type[S], machine: str) -> S:
    """A section's facts; read again when nobody knows them."""
    facts = ctx.world.cluster if section.name.startswith("cluster.") else ctx.world.machine(machine)
    try:
        return facts.get(section)
    except UnknownFact:
        ctx.refresh(section.name, machine=machine)
    facts = ctx.world.cluster if section.name.startswith("cluster.") else ctx.world.machine(machine)
    return facts.get(section)
