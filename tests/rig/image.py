"""The hosts' image: Debian with systemd and sshd, as a provider would hand it over; made once a suite, then cached."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tests.rig.cache import cache, locked
from tests.rig.engine import Engine
from tests.rig.machine import debian_mirror, overlay, packed
from tests.rig.process import run
from tests.rig.require import program

REPOSITORY = "chatops-rig"
SUITE = os.environ.get("CHATOPS_RIG_SUITE") or "bookworm"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "ca-certificates", "iproute2", "curl", "xz-utils", "cron",
)  # fmt: skip
BUILD_SECONDS = 900
KEPT = 8


def base(engine: Engine, suite: str = SUITE) -> str:
    """The image of a fresh host; the first call on a machine takes minutes, the next ones find it."""
    layer = packed(overlay(suite))
    with locked("image"):
        rootfs = _rootfs(suite)
        image = f"{REPOSITORY}:base-{_digest(rootfs.name.encode(), layer)}"
        if not engine.has_image(image):
            _import(engine, rootfs, layer, image)
            forget_old(engine, "base")
    return image


def forget_old(engine: Engine, name: str) -> None:
    """Keep the newest images of this name; one that a host still uses stays too."""
    images = engine.lines("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY)
    for image in [image for image in images if image.startswith(f"{REPOSITORY}:{name}-")][KEPT:]:
        engine.docker("image", "rm", image, check=False)


def _import(engine: Engine, rootfs: Path, layer: bytes, image: str) -> None:
    engine.docker("import", "--change", 'CMD ["/sbin/init"]', rootfs, image, seconds=BUILD_SECONDS)
    container = engine.lines("create", image)[0]
    try:
        engine.docker("cp", "-", f"{container}:/", input=layer)
        engine.docker("commit", container, image, seconds=BUILD_SECONDS)
    finally:
        engine.docker("rm", "--force", container)


def _rootfs(suite: str) -> Path:
    """A tar of the installed system, without what makes one host different from the next."""
    kept = cache() / f"debian-{suite}-{_digest(' '.join(PACKAGES).encode())}.tar"
    if not kept.exists():
        folder = Path(tempfile.mkdtemp(prefix="debootstrap-", dir=cache()))
        try:
            _install(folder / "root", suite)
            run("tar", "-C", folder / "root", "-cf", folder / "tar", ".", seconds=BUILD_SECONDS)
            _forget_rootfs(suite)
            (folder / "tar").rename(kept)
        finally:
            shutil.rmtree(folder)
    return kept


def _forget_rootfs(suite: str) -> None:
    for old in cache().glob(f"debian-{suite}-*.tar"):
        old.unlink()


def _install(root: Path, suite: str) -> None:
    wanted = ("--variant=minbase", f"--include={','.join(PACKAGES)}")
    run(program("debootstrap"), *wanted, suite, root, *debian_mirror(suite), seconds=BUILD_SECONDS)
    for unique in [*root.glob("etc/ssh/ssh_host_*"), *root.glob("var/lib/apt/lists/*_*"), root / "etc/hostname"]:
        unique.unlink(missing_ok=True)
    (root / "etc/machine-id").write_bytes(b"")


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
