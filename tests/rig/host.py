"""One real host: Debian 12 with systemd and sshd on a loopback address of its own."""

import contextlib
import shlex
import socket
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig.address import Claim
from tests.rig.engine import Engine
from tests.rig.identity import HostKey
from tests.rig.image import BUILD_SECONDS, REPOSITORY
from tests.rig.process import RigError, run, wait_until
from tests.rig.require import program

BOOT_SECONDS = 90


@dataclass(frozen=True)
class Result:
    """How a command on a host ended."""

    code: int
    out: str
    err: str


@dataclass
class Host:
    """`address` and `ports` lead to it from this machine, `private` from the other hosts; root's key is `identity`."""

    engine: Engine = field(repr=False)
    claim: Claim = field(repr=False)
    container: str
    private: str
    ports: dict[int, int]
    identity: Path
    keys: tuple[HostKey, ...] = field(repr=False)

    @property
    def address(self) -> str:
        return self.claim.address

    @property
    def port(self) -> int:
        """Where its sshd is reached: 22 but on machines where 22 is taken."""
        return self.ports[22]

    @property
    def host_key(self) -> str:
        """The fingerprint of its Ed25519 key, `SHA256:...`."""
        return self.keys[0].fingerprint

    @property
    def known_hosts(self) -> str:
        """Its lines for a known_hosts file."""
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return "".join(f"{name} {key.public}\n" for key in self.keys)

    def run(self, command: str, *, user: str = "root", input: bytes = b"", check: bool = True, seconds: float = 120) -> Result:
        """Run a shell command inside, past sshd and firewall. Raises RigError when it fails, unless `check` is off."""
        asked = ("exec", "--interactive", "--user", user, self.container, "sh", "-c", command)
        done = self.engine.docker(*asked, input=input, check=False, seconds=seconds)
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check and result.code != 0:
            raise RigError(f"exit code {result.code}: {command}\n{result.err}{result.out}"[:4000])
        return result

    def ssh(self, command: str, *, check: bool = True, seconds: float = 120) -> Result:
        """Run a command through its sshd as root, with the machine's own `ssh`."""
        done = run(*self.ssh_line(), command, check=check, seconds=seconds)
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def ssh_line(self) -> list[str]:
        """What a person would type to log in."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes")
        given = [word for option in options for word in ("-o", option)]
        place = ["-i", str(self.identity), "-p", str(self.port), f"root@{self.address}"]
        return [str(program("ssh")), *given, *place]

    def write(self, path: str, content: str | bytes, mode: str = "644") -> None:
        """Put a file of root's there."""
        data = content.encode() if isinstance(content, str) else content
        self.run(f"cat > {shlex.quote(path)} && chmod {mode} {shlex.quote(path)}", input=data)

    def read(self, path: str) -> bytes:
        """What a file holds."""
        return self.engine.docker("exec", self.container, "cat", path).stdout

    def restart(self, hard: bool = False) -> None:
        """Reboot: an orderly shutdown, or (`hard`) a pull of the plug; returns when it is up again."""
        self.kill() if hard else self.stop()
        self.start()

    def stop(self) -> None:
        """Shut it down in order; its ports refuse."""
        self.engine.docker("stop", "--time", "20", self.container)

    def kill(self) -> None:
        """Pull the plug; its ports refuse."""
        self.engine.docker("kill", self.container)

    def start(self) -> None:
        """Boot it, and return when all its units and sshd are up."""
        self.engine.docker("start", self.container)
        self.wait_ready()

    def commit(self, name: str) -> str:
        """Keep its disk as an image for `Rig.host`; it is shut down for that, and stays down."""
        self.stop()
        self.engine.docker("commit", self.container, f"{REPOSITORY}:{name}", seconds=BUILD_SECONDS)
        return f"{REPOSITORY}:{name}"

    def pause(self) -> None:
        """Freeze every process: connections are accepted, nothing answers."""
        self.engine.docker("pause", self.container)

    def unpause(self) -> None:
        self.engine.docker("unpause", self.container)

    def limit(self, cores: float) -> None:
        """From now on all its processes together get at most so many cores of this machine."""
        self.engine.docker("update", "--cpus", str(cores), self.container)

    def wait_ready(self) -> None:
        """Return when systemd has finished booting (a failed unit does not matter here) and sshd greets."""
        wait_until(f"{self.container} boots", self._booted, BOOT_SECONDS)
        wait_until(f"sshd of {self.container} greets", self._greets, BOOT_SECONDS)

    def files(self, folder: str = "/") -> dict[str, str]:
        """Each file below `folder`, on its file system, as path -> `MODE OWNER:GROUP` and SHA-256 or, of a link, `-> AIM`."""
        find = f"find {shlex.quote(folder)} -xdev"
        modes = self.run(rf"{find} \( -type f -o -type l \) -printf '%p\t%m %u:%g %l\0'", seconds=300).out
        sums = self.run(f"{find} -type f -exec sha256sum -z {{}} +", seconds=300).out
        digest = {path: sum for sum, path in (line.split("  ", 1) for line in sums.split("\0")[:-1])}
        return {path: f"{mode}{digest.get(path, '')}" for path, mode in (line.split("\t") for line in modes.split("\0")[:-1])}

    def processes(self) -> list[str]:
        """The command lines of all that runs inside, each as `USER: WORDS`."""
        return self.run(_PROCESSES).out.splitlines()

    def places_of(self, text: str) -> list[str]:
        """Where a line of text can be read by root: files, and the arguments and environments of processes, as paths."""
        return self.run(_FIND, input=text.encode(), seconds=300).out.splitlines()

    def _booted(self) -> bool:
        asked = self.run("systemctl is-system-running", check=False, seconds=20)
        return asked.out.strip() in ("running", "degraded")

    def _greets(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 5) as link:
            link.settimeout(5)
            return link.recv(4) == b"SSH-"
        return False


_PROCESSES = r"""
for folder in /proc/[0-9]*; do
  [ "$folder" = "/proc/$$" ] && continue
  words=$(tr '\0\n' '  ' < "$folder/cmdline") 2> /dev/null
  [ -n "$words" ] && echo "$(stat -c %U "$folder"): ${words% }"
done; true
"""
_FIND = r"""
pattern=$(mktemp -p /dev/shm) && cat > "$pattern" || exit 1
find / \( -path /proc -o -path /sys \) -prune -o -type f ! -path "$pattern" -exec grep -slFf "$pattern" {} +
grep -slaFf "$pattern" /proc/[0-9]*/cmdline /proc/[0-9]*/environ
rm "$pattern"
"""
