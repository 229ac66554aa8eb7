"""The Node.js buildpack: what it detects, installs and prunes, and the process types of a Procfile."""

import asyncio
import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.heroku.emulator import groups
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.model import App, Build
from tests.heroku.emulator.streams import Output

LOCKFILES = ("package-lock.json", "yarn.lock", "pnpm-lock.yaml")
LONGEST_LINE = 1 << 24
NODEJS = re.compile(r"nodejs")
_PROCESS = re.compile(r"^([-\w]{1,128}):\s*(\S.*)$")


class BuildFailed(Exception):
    """The build can't go on; the text is for the build's output."""


async def compile(cloud: Cloud, app: App, build: Build, folder: Path) -> None:
    """Turns an unpacked source into what a dyno can run. Raises BuildFailed."""
    output = build.output
    _detect(app, build, folder)
    output.line("-----> Node.js app detected")
    package = _package(folder)
    env = _environment(cloud, app)
    await _say_versions(output, env, package)
    await _install(output, folder, package, env)
    output.line("-----> Build succeeded!")


def process_types(folder: Path) -> dict[str, str]:
    """From the Procfile; without one `web: npm start`."""
    file = folder / "Procfile"
    if not file.exists():
        return {"web": "npm start"}
    matches = (_PROCESS.match(line.strip()) for line in file.read_text().splitlines())
    return {match[1]: match[2] for match in matches if match}


def _detect(app: App, build: Build, folder: Path) -> None:
    build.buildpacks = list(app.buildpacks) or ["heroku/nodejs"]
    if app.buildpacks:
        build.output.line(f"-----> Using buildpack: {', '.join(app.buildpacks)}")
        strange = [name for name in app.buildpacks if not NODEJS.search(name)]
        if strange:
            raise BuildFailed(f"Buildpack {strange[0]} can't be run here: only heroku/nodejs can")
    if (folder / "package.json").exists():
        return
    if app.buildpacks:
        raise BuildFailed("Error: Application not supported by 'heroku/nodejs' buildpack: no package.json at the root")
    raise BuildFailed("No default language could be detected for this app.")


def _package(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "package.json").read_text()))
    except ValueError as error:
        raise BuildFailed(f"Unable to parse package.json: {error}") from None


def _environment(cloud: Cloud, app: App) -> dict[str, str]:
    own = {
        "PATH": f"{cloud.node_folder}:/usr/local/bin:/usr/bin:/bin", "NODE_ENV": "production", "LANG": "C.UTF-8",
        "HOME": str(cloud.folder / "home"), "NODE_OPTIONS": "--max_old_space_size=2560", "NPM_CONFIG_LOGLEVEL": "error",
    }  # fmt: skip
    return own | cloud.build_env | app.config


async def _say_versions(output: Output, env: Mapping[str, str], package: dict[str, Any]) -> None:
    wanted = package.get("engines", {}).get("node", "unspecified")
    output.line("-----> Installing binaries")
    output.line(f"       engines.node (package.json):   {wanted}")
    await _command(output, "node --version", Path("/"), env)


async def _install(output: Output, folder: Path, package: dict[str, Any], env: Mapping[str, str]) -> None:
    scripts = package.get("scripts", {})
    locks = [name for name in LOCKFILES if (folder / name).exists()]
    if len(locks) > 1:
        raise BuildFailed(f"Build failed: Two different lockfiles found: {' and '.join(locks)}")
    if locks and locks != ["package-lock.json"]:
        raise BuildFailed(f"{locks[0]} can't be installed here: only package-lock.json can")
    await _script(output, folder, scripts, env, "heroku-prebuild")
    output.line("-----> Installing dependencies")
    command = "npm ci" if locks else "npm install"
    await _command(output, f"{command} --include=dev --no-audit --no-fund --prefer-offline", folder, env)
    built = "heroku-postbuild" if "heroku-postbuild" in scripts else "build"
    await _script(output, folder, scripts, env, built)
    if package.get("devDependencies"):
        output.line("-----> Pruning devDependencies")
        await _command(output, "npm prune --omit=dev --no-audit --no-fund", folder, env)
    await _script(output, folder, scripts, env, "heroku-cleanup")


async def _script(output: Output, folder: Path, scripts: Mapping[str, str], env: Mapping[str, str], name: str) -> None:
    if name in scripts:
        output.line(f"       Running {name}")
        await _command(output, f"npm run {name}", folder, env)


async def _command(output: Output, command: str, folder: Path, env: Mapping[str, str]) -> None:
    """Runs a command with its output in the build's. Raises BuildFailed where it fails; ends it when the build is cancelled."""
    output.line(f"       $ {command}")
    process = await asyncio.create_subprocess_exec(
        "/bin/bash", "-c", command, cwd=folder, env=env, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        limit=LONGEST_LINE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            output.line("       " + line.decode("utf-8", "replace").replace("\r", "").rstrip("\n"))
    except asyncio.CancelledError:
        groups.send(process.pid, signal.SIGKILL)
        await process.communicate()
        raise
    if await process.wait():
        raise BuildFailed(f"Build failed: `{command}` ended with exit status {process.returncode}")
