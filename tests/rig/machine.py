"""How this machine reaches package registries (mirrors, proxies, certificates), carried over into the hosts."""

import io
import os
import platform
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.rig.process import run

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
EXTRA_CERTIFICATES = Path("/usr/local/share/ca-certificates")
RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
NO_USER_NAMESPACES = "[Service]\nPrivateUsers=no\n"


def overlay(suite: str) -> dict[str, bytes]:
    """Path below `/` -> content: what a host needs to install packages from inside this machine."""
    texts = {
        "etc/environment": _environment("{}\n"),
        "etc/systemd/system.conf.d/10-machine.conf": "[Manager]\nDefaultEnvironment=" + _environment('"{}" ') + "\n",
        "etc/systemd/system/service.d/10-no-user-namespaces.conf": NO_USER_NAMESPACES,
        "etc/npmrc": _npmrc(),
        "etc/skel/.npmrc": _npmrc(),
        "root/.npmrc": _npmrc(),
        "etc/apt/apt.conf.d/90machine": _apt_conf(),
        "etc/apt/sources.list": _sources(suite),
    }
    return {**_certificates(), **{path: text.encode() for path, text in texts.items() if text}}


def packed(files: Mapping[str, bytes], secret: Mapping[str, bytes] | None = None) -> bytes:
    """The files, and the secret ones that only root may read, as one tar; the same files give the same bytes."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for mode, group in ((0o644, files), (0o600, secret or {})):
            for path, content in sorted(group.items()):
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(content), mode
                tar.addfile(entry, io.BytesIO(content))
    return memory.getvalue()


def resolver() -> Path:
    """The file that names the DNS servers a host can reach."""
    return next(path for path in RESOLVERS if path.exists())


def debian_mirror(suite: str) -> list[str]:
    """The Debian mirror that this machine uses, if it uses one."""
    return [uri for uri, release, _ in _repositories(suite) if release == suite][:1]


def _repositories(suite: str) -> list[tuple[str, str, str]]:
    """URI, release and component of each Debian repository of this machine, with `suite` for its own suite; none: no Debian."""
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    return [
        (uri, f"{suite}{release.removeprefix(own)}", component)
        for uri, release, component in _own_repositories()
        if own and release.startswith(own)
    ]


def _own_repositories() -> list[tuple[str, str, str]]:
    if shutil.which("apt-get") is None:
        return []
    wanted = ("--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian")
    lines = run("apt-get", "indextargets", *wanted).stdout.decode().splitlines()
    return sorted({(uri, release, component) for uri, release, component in map(str.split, lines)})


def _sources(suite: str) -> str:
    return "".join(f"deb {uri} {release} {component}\n" for uri, release, component in _repositories(suite))


def _apt_conf() -> str:
    lines = run("apt-config", "dump", "Acquire").stdout.decode().splitlines()
    return "".join(f"{line}\n" for line in lines if "::Proxy" in line or "::CaInfo" in line)


def _certificates() -> dict[str, bytes]:
    extra = {str(path).lstrip("/"): path.read_bytes() for path in EXTRA_CERTIFICATES.glob("*.crt")}
    return {str(BUNDLE).lstrip("/"): BUNDLE.read_bytes(), **extra} if BUNDLE.exists() else extra


def _environment(form: str) -> str:
    names = {"NODE_EXTRA_CA_CERTS": str(BUNDLE), **{name: os.environ[name] for name in PROXIES if name in os.environ}}
    return "".join(form.format(f"{name}={value}") for name, value in names.items())


def _npmrc() -> str:
    named = [value for name, value in os.environ.items() if name.lower() == "npm_config_registry"]
    return f"cafile={BUNDLE}\n" + "".join(f"registry={value}\n" for value in named[:1])
