"""The shell steps that put a release on a host, with all that it needs there, and delete what is old."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from chatops.model import Environment, Generate, Release
from chatops.pm2 import RunSet
from chatops.program import ShellStep
from chatops.shell import words, write
from chatops.steps import Site, counted, step


def install_pm2(site: Site) -> ShellStep:
    """PM2 from our lock file, in a folder that later deploys find. Projects may share it: each prepares one of its own."""
    folder = words(site.pm2)
    copies = words(site.scripts / "package.json", site.scripts / "package-lock.json")
    there = f"[ -e {folder}/node_modules/pm2 ]"
    text = f"{_fresh(f'{folder}.$$')}\ncp {copies} {folder}.$$.new/\n{_npm_ci(f'{folder}.$$.new')}\n"
    action = f"{text}{there} || {{ rm -rf {folder} && mv {folder}.$$.new {folder}; }}"
    return step("pm2", "install PM2", action, there, "create", limit=300)


def unpack(site: Site, release: Release) -> ShellStep:
    """The release's tree, complete or not there."""
    tree = words(site.layout.release(release.id))
    archive = words(site.layout.state / "incoming" / f"{release.id}.tar")
    text = f"{_fresh(tree)}\ntar -xf {archive} -C {tree}.new\nmv {tree}.new {tree}\nrm -f {archive}"
    return step("unpack", f"unpack release {release.id}", text, f"[ -d {tree} ]", "create")


def modules(site: Site, release: Release, known: Iterable[str]) -> Iterator[ShellStep]:
    """Dependencies, once for all releases with the same lock file."""
    if not release.lock:
        return
    installed, tree = site.layout.modules(modules_key(site, release.lock)), words(site.layout.release(release.id))
    folder = words(installed)
    text = f"{_swept(installed.parent, shared=site.layout.cache is not None)}\n{_fresh(f'{folder}.$$')}\n"
    text += f"{_FETCHED.format(lock=f'{tree}/package-lock.json')}\n"
    text += f"cp {tree}/package.json {tree}/package-lock.json {folder}.$$.new/\n"
    text += f"[ ! -e {tree}/.npmrc ] || cp {tree}/.npmrc {folder}.$$.new/\n"
    text += f"{_npm_ci(f'{folder}.$$.new')}\nmkdir -p {folder}.$$.new/node_modules\n"
    text += f"[ -d {folder} ] || mv {folder}.$$.new {folder}"
    if installed.name not in known:
        yield step("modules", "install dependencies (npm ci)", text, f"[ -d {folder} ]", "create", limit=600)
    link = f"rm -rf {tree}/node_modules\nln -s {folder}/node_modules {tree}/node_modules"
    yield step("link", "link the dependencies", link, f"[ -e {tree}/node_modules ]")


_FETCHED = """\
if grep -Eq '"link": *true|"(resolved|version)": *"file:' {lock}; then
  echo 'a dependency lies in the project itself (a workspace, or `file:`): what releases share comes from a registry'
  exit 1
fi"""


def modules_key(site: Site, lock: str) -> str:
    """Dependencies are the same for the same lock file, Node major and architecture (a cache may be shared, or move)."""
    return hashlib.sha256(f"{lock} {site.node_major} {site.arch}".encode()).hexdigest()[:16]


def generated(site: Site, env: Environment) -> Iterator[ShellStep]:
    """Secrets that are made on the host once and never leave it."""
    for name, value in sorted(env.items()):
        if isinstance(value, Generate):
            path = words(site.layout.secrets / name)
            script = f"process.stdout.write(require('crypto').randomBytes({value.length}).toString('base64url'))"
            text = f'mkdir -p {words(site.layout.secrets)}\n"$node" -e {words(script)} >{path}.new\nmv {path}.new {path}'
            yield step(f"secret_{name}", f"make the secret {name}", text, f"[ -s {path} ]", "create")


def record_release(site: Site, release: Release, run_set: RunSet) -> ShellStep:
    """What `releases` shows, and what a later rollback needs to start it again."""
    key = modules_key(site, release.lock) if release.lock else None
    facts = {"id": release.id, "created": release.created, "by": release.by, "git": release.git, "modules": key}
    text = write(site.layout.state / "releases" / f"{release.id}.json", json.dumps({**facts, **run_set.summary(0, 0)}))
    return step("record", f"record release {release.id}", f"mkdir -p {words(site.layout.state / 'releases')}\n{text}")


def prune(site: Site, old: list[str], keys: list[str], envs: list[str], scripts: list[str]) -> Iterator[ShellStep]:
    """Deletes old releases with their logs, dependencies and environments that no kept release uses, and scripts that nothing
    runs from."""
    layout = site.layout
    gone = [path for release in old for path in (layout.release(release), layout.state / "releases" / f"{release}.json")]
    gone += map(layout.bad, old)
    gone += [*map(layout.modules, keys), *map(layout.env, envs), *(site.scripts.with_name(name) for name in scripts)]
    if gone:
        title = f"delete {counted(len(old), 'old release')}" if old else "delete scripts of older versions"
        logs = [_forget_logs(site)] if old else []
        yield step("prune", title, "\n".join([words("rm", "-rf", "--", *gone), *logs]), reason="remove")


def _forget_logs(site: Site) -> str:
    """Commands that delete the logs, rotated ones too, of releases that are not known any more: those that a kept one left
    say why it died."""
    begin, known = words(site.layout.logs / f"{site.app.name}-"), words(site.layout.state / "releases")
    return f"""\
for log in {begin}*.log*; do
  release=${{log#{begin}}}
  [ -e {known}/"${{release%%[-.]*}}.json" ] || rm -f -- "$log"
done"""


def mark_bad(site: Site, release: str) -> ShellStep:
    """Remembers that a release must not be rolled back to."""
    path = site.layout.bad(release)
    return step("mark", f"mark release {release} as bad", f"mkdir -p {words(path.parent)}\n: >{words(path)}")


def _fresh(folder: str) -> str:
    """Commands that make `FOLDER.new`; it becomes FOLDER at the end, or is taken away when that is not reached."""
    return f"{words('trap', f'rm -rf {folder}.new')} EXIT\nrm -rf {folder}.new\nmkdir -p {folder}.new"


def _swept(parent: PurePosixPath, *, shared: bool) -> str:
    """Commands that take away what a power cut left of installations; in a folder that projects share a young one may go on."""
    young = " -mmin +60" if shared else ""
    return f"mkdir -p {words(parent)}\nfind {words(parent)} -maxdepth 1 -name '*.new'{young} -exec rm -rf {{}} +"


def _npm_ci(folder: str) -> str:
    return f"(cd {folder} && npm ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error)"
