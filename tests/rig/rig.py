"""The rig of one session: makes hosts, and removes them at its end."""

import atexit
import contextlib
import hashlib
import types
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.rig.address import claim, free, is_claimed
from tests.rig.cache import locked
from tests.rig.engine import LABEL, NETWORK, Engine
from tests.rig.host import Host
from tests.rig.identity import HostKey, host_keys, operator_key
from tests.rig.image import BUILD_SECONDS, REPOSITORY, SUITE, base, forget_old
from tests.rig.link import Link
from tests.rig.machine import packed, resolver
from tests.rig.require import require_hosts

ABREAST = 4
PORTS = (22, 80, 443)
FLAGS = (
    "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined",
    "--security-opt", "apparmor=unconfined", "--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs", "/run", "--tmpfs", "/run/lock", "--stop-signal", "SIGRTMIN+3", "--env", "container=docker",
)  # fmt: skip


@dataclass
class Rig:
    """The hosts of one session; a `with` block or `close` ends them, and so does the end of the process."""

    engine: Engine
    hosts: list[Host] = field(default_factory=list)

    @classmethod
    def open(cls) -> "Rig":
        """Skips the test where the machine can't have real hosts."""
        require_hosts()
        rig = cls(Engine.open())
        atexit.register(rig.close)
        _sweep(rig.engine)
        return rig

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: types.TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove every host of this session; a second call does nothing."""
        for host in list(self.hosts):
            self.remove(host)
        self.engine.close()
        atexit.unregister(self.close)

    def host(self, image: str = "") -> Host:
        """A new host, booted: a fresh one, or one from an image that `commit` or `variant` named."""
        host = self._create(image or base(self.engine))
        self.hosts.append(host)
        host.start()
        return host

    def fleet(self, count: int, image: str = "") -> list[Host]:
        """Several hosts, made at the same time."""
        start = image or base(self.engine)
        with ThreadPoolExecutor(ABREAST) as pool:
            return list(pool.map(self.host, [start] * count))

    def remove(self, host: Host) -> None:
        """End a host at once and free its address."""
        self.engine.docker("rm", "--force", "--volumes", host.container, check=False)
        host.claim.close()
        self.hosts.remove(host)

    @contextlib.contextmanager
    def borrowed(self, image: str = "") -> Iterator[Host]:
        """A host for the length of a block."""
        host = self.host(image)
        try:
            yield host
        finally:
            self.remove(host)

    def base(self, suite: str = SUITE) -> str:
        """The image of a fresh host of a Debian suite."""
        return base(self.engine, suite)

    def variant(self, name: str, prepare: Callable[[Host], object], key: str = "", image: str = "") -> str:
        """The image of a host on which `prepare` has run, made once for each `key` (a digest of what it depends on)."""
        start = image or base(self.engine)
        digest = hashlib.sha256(f"{start}\0{key}".encode()).hexdigest()[:12]
        made = f"{REPOSITORY}:{name}-{digest}"
        with locked(f"variant-{name}"):
            if not self.engine.has_image(made):
                with self.borrowed(start) as host:
                    prepare(host)
                    host.commit(f"{name}-{digest}")
                forget_old(self.engine, name)
        return made

    def warm(self, *packages: str, suite: str = SUITE) -> str:
        """The image of a fresh host that has apt's lists and these packages downloaded, not installed."""
        fetch = f"apt-get -q update && apt-get -qy install --download-only {' '.join(packages)}"
        return self.variant("warm", lambda host: host.run(fetch, seconds=BUILD_SECONDS), key=fetch, image=self.base(suite))

    @contextlib.contextmanager
    def link(self, host: Host, delay: float = 0.0) -> Iterator[Link]:
        """Another address for `host`, with its ports, `delay` seconds away in each direction."""
        with contextlib.closing(claim()) as place:
            routes = {free(place.address, port): host.ports[port] for port in PORTS}
            with Link(host.address, routes, place.address, delay) as link:
                yield link

    def _create(self, image: str) -> Host:
        network = self.engine.network()
        place, keys, identity = claim(), host_keys(), operator_key()
        ports = {port: free(place.address, port) for port in PORTS}
        published = [word for port, at in ports.items() for word in ("--publish", f"{place.address}:{at}:{port}")]
        name, private = f"{NETWORK}-{place.number}", str(network[place.number])
        self.engine.docker(
            "create", "--name", name, "--hostname", f"vps{place.number}", "--label", f"{LABEL}={place.number}",
            "--network", NETWORK, "--ip", private, "--volume", f"{resolver()}:/etc/resolv.conf:ro",
            *FLAGS, *published, image, "/sbin/init",
        )  # fmt: skip
        self.engine.docker("cp", "-", f"{name}:/", input=_own_files(keys, identity.with_suffix(".pub").read_bytes()))
        return Host(self.engine, place, name, private, ports, identity, keys)


def _own_files(keys: tuple[HostKey, ...], entry: bytes) -> bytes:
    """What makes a host itself, put over whatever its image holds: machine id, host keys, and who may log in."""
    number = f"{uuid.uuid4().hex}\n".encode()
    public = {f"etc/ssh/ssh_host_{key.kind}_key.pub": key.public.encode() for key in keys}
    secret = {f"etc/ssh/ssh_host_{key.kind}_key": key.private for key in keys}
    return packed(
        {"etc/machine-id": number, "var/lib/dbus/machine-id": number, **public}, {"root/.ssh/authorized_keys": entry, **secret}
    )


def _sweep(engine: Engine) -> None:
    """Remove the hosts of sessions that did not live to do it."""
    wanted = ("--filter", f"label={LABEL}", "--format", '{{.Label "' + LABEL + '"}} {{.Names}}')
    for number, name in map(str.split, engine.lines("ps", "--all", *wanted)):
        if not is_claimed(int(number)):
            engine.docker("rm", "--force", "--volumes", name, check=False)
