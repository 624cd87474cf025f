"""What a program that pulls images has to know of the proxy."""

from __future__ import annotations

from provision.settings.model import Settings


def proxy_environment(settings: Settings) -> tuple[str, ...]:
    """``NAME=value`` lines for a service that goes out by the settings' proxy; none without one.

    The nodes' network, pods, services and cluster names are never asked for through the proxy.
    """
    network = settings.network
    if not network.proxy:
        return ()
    inside = ("localhost", "127.0.0.1", str(network.machines), str(network.pods), str(network.services))
    return (
        f"HTTP_PROXY={network.proxy}",
        f"HTTPS_PROXY={network.proxy}",
        f"NO_PROXY={','.join((*inside, '.svc', '.cluster.local'))}",
    )
