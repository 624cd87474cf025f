"""Which archives of images each machine imports, and which of them it has not imported yet. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provision.artifacts.catalog import needed
from provision.facts.base import World
from provision.facts.files import Images
from provision.settings.model import Machine, Settings

# The control plane's own components; of them Linux workers run the proxy alone.
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


@dataclass(frozen=True)
class Archive:
    """An archive that a machine imports.

    Attributes:
        name: of the artifact, and the file's name on the machine.
        images: the names that containerd lists afterwards.
        public: images of these names are the same wherever they came from, from a registry, too.
    """

    name: str
    images: tuple[str, ...]
    public: bool = False


def archives_for(settings: Settings, machine: Machine) -> tuple[Archive, ...]:
    """What a machine imports: archives of its system, and only those whose images can run on it."""
    known = {archive.name: archive for archive in settings.archives}
    found = []
    for spec in needed(settings):
        if spec.maker != "image" or spec.os != machine.os:
            continue
        given = known.get(spec.name)
        images = given.images if given else (spec.url.removeprefix("image:").partition("?")[0],)
        if given and given.windows not in (None, machine.windows_version):
            continue
        if machine.role == "control-plane" or not all(_component(name) in _CONTROL_PLANE for name in images):
            found.append(Archive(spec.name, images, "?platform=" in spec.url))
    return tuple(found)


def unimported(settings: Settings, machine: Machine, world: World) -> list[str]:
    """The archives that a machine has not imported as they are now.

    Raises:
        UnknownFact: the machine has not said what it has.
    """
    facts = world.machine(machine.name).get(Images)
    digests = world.host.digests
    archives = archives_for(settings, machine)

    def there(one: Archive) -> bool:
        whole = facts.has_all(one.images) and not facts.broken_off(one.name)
        return whole and (one.public or facts.came_from(one.name, digests.get(one.name)))

    return [one.name for one in archives if not there(one)]


def _component(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]
