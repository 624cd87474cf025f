"""Join tokens: made when a machine is about to join, alive for minutes, gone at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass

from provision.clock import Deadline, monotonic
from provision.errors import StepFailed
from provision.facts.cluster import Tokens
from provision.secrets import Secret
from provision.settings.model import Settings
from provision.steps.base import Context, ScriptCall

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
    # A machine that joins later: the tokens that were read at the run's start are none any more.
    ctx.refresh("cluster.tokens", machine=ctx.settings.control_plane.name)
    return made
