"""Builds: fetch the source, unpack, detect, install, read the Procfile, make a slug and a release of it."""

import asyncio
import hashlib
import shutil
import tarfile
from pathlib import Path

import pathspec
from aiohttp import ClientSession

from tests.heroku.emulator import nodejs, releases
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.faults import FailBuild
from tests.heroku.emulator.model import App, Build, Slug
from tests.heroku.emulator.nodejs import BuildFailed


async def run(cloud: Cloud, app: App, build: Build) -> None:
    """Carries a build out; one at a time in an app. The stream says what failed, the status that it did."""
    async with app.building:
        folder = cloud.folder / "slugs" / build.id
        app.log.api(f"Build started by user {cloud.account.email}")
        try:
            await _compile(cloud, app, build, folder)
            status = "succeeded"
        except BuildFailed as error:
            build.output.line(f" !     {error}\n !\n !     Push failed")
            status = "failed"
        except asyncio.CancelledError:
            build.output.line(" !     Build canceled")
            finish(build, "failed")
            raise
        finish(build, status)
        app.log.api("Build succeeded" if status == "succeeded" else "Build failed -- check your build output")
        if status == "failed":
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def finish(build: Build, status: str) -> None:
    """The last word about a build."""
    build.status = status
    build.touch()
    build.output.close()


async def _compile(cloud: Cloud, app: App, build: Build, folder: Path) -> None:
    output = build.output
    output.line("-----> Building on the " + build.stack.title() + " stack")
    archive = await _fetch(build)
    await asyncio.to_thread(_unpack, archive, folder)
    fault = cloud.faults.take(FailBuild)
    if fault:
        raise BuildFailed(fault.message)
    await nodejs.compile(cloud, app, build, folder)
    types = nodejs.process_types(folder)
    names = ", ".join(types)
    output.line("-----> Discovering process types")
    output.line(f"       Procfile declares types -> {names}" if (folder / "Procfile").exists() else
                f"       Default types for buildpack -> {names}")  # fmt: skip
    build.slug = await _slug(cloud, build, folder, types)
    app.slugs.append(build.slug)
    _release(cloud, app, build)


async def _fetch(build: Build) -> bytes:
    url = build.source["url"] or ""
    async with ClientSession() as session, session.get(url) as answer:
        data = await answer.read()
        if answer.status != 200:
            raise BuildFailed(f"Unable to fetch source from: {url.split('?')[0]}")
    checksum = build.source["checksum"] or ""
    algorithm, _, digest = checksum.partition(":")
    if algorithm.upper() == "SHA256" and hashlib.sha256(data).hexdigest() != digest.lower():
        raise BuildFailed("Checksum mismatch: the source is not what was announced")
    return data


def _unpack(archive: bytes, folder: Path) -> None:
    """A gzipped tar, its files at the root or in one wrapping folder; what .slugignore names is left out."""
    upload = folder.with_suffix(".tgz")
    upload.write_bytes(archive)
    try:
        with tarfile.open(upload, "r:gz") as tar:
            tar.extractall(folder, filter="tar")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BuildFailed(f"Could not extract source, is it a gzipped tar? ({error})") from None
    finally:
        upload.unlink()
    _unwrap(folder)
    _leave_out(folder)


def _unwrap(folder: Path) -> None:
    entries = list(folder.iterdir()) if folder.exists() else []
    if len(entries) == 1 and entries[0].is_dir():
        inner = entries[0].rename(folder.with_suffix(".inner"))
        folder.rmdir()
        inner.rename(folder)


def _leave_out(folder: Path) -> None:
    ignored = folder / ".slugignore"
    if not ignored.exists():
        return
    spec = pathspec.GitIgnoreSpec.from_lines(ignored.read_text().splitlines())
    for name in spec.match_tree_files(folder):
        (folder / name).unlink()


async def _slug(cloud: Cloud, build: Build, folder: Path, types: dict[str, str]) -> Slug:
    build.output.line("-----> Compressing...")
    size = await asyncio.to_thread(_size, folder)
    if size > cloud.limits.slug_bytes:
        raise BuildFailed(f"Compiled slug size: {size // 10**6}M is too large (max is {cloud.limits.slug_bytes // 10**6}M).")
    build.output.line(f"       Done: {size / 10**6:.1f}M")
    return Slug(folder=folder, process_types=types, commit=build.source["version"], checksum=None, size=size, stack=build.stack)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))


def _release(cloud: Cloud, app: App, build: Build) -> None:
    build.output.line("-----> Launching...")
    commit = (build.source["version"] or "")[:8]
    text = f"Deploy {commit}" if commit else "Deploy"
    app.log.api(f"{text} by user {cloud.account.email}")
    build.release = releases.make(cloud, app, text, build.slug)
    if build.release.status == "pending":
        build.output.line(" !     Release command declared: this new release will not be available until the command succeeds.")
    build.output.line(f"       Released v{build.release.version}")
    build.output.line(f"       {app.web_url} deployed to Heroku")
