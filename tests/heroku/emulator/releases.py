"""Releases: what makes one, the release phase, becoming current, rollback."""

from tests.heroku.emulator import catalog, fleet
from tests.heroku.emulator.clock import stamp
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.errors import Refused, invalid
from tests.heroku.emulator.faults import FailRelease
from tests.heroku.emulator.model import App, Formation, Release, Slug

RELEASE_TYPE = "release"


def make(cloud: Cloud, app: App, description: str, slug: Slug | None = None) -> Release:
    """Cuts the next release from the app's config vars and `slug` (default: the one that runs), and lets it become current."""
    release = Release(
        version=len(app.releases) + 1, description=description, config=dict(app.config),
        slug=slug or (app.releases[-1].slug if app.releases else None), plans=[addon.plan for addon in app.addons],
    )  # fmt: skip
    app.releases.append(release)
    app.log.api(f"Release v{release.version} created by user {cloud.account.email}")
    command = _release_command(cloud, release)
    if command:
        release.status, release.output = "pending", cloud.output("release")
        cloud.spawn(_release_phase(cloud, app, release, command))
    else:
        activate(cloud, app, release)
    return release


def set_config(cloud: Cloud, app: App, changes: dict[str, str | None], description: str = "") -> Release | None:
    """Sets and (None) unsets config vars; a release only where something changes."""
    changed = {name: value for name, value in changes.items() if app.config.get(name) != value}
    if not changed:
        return None
    for name, value in changed.items():
        if value is None:
            app.config.pop(name, None)
        else:
            app.config[name] = value
    gone = all(value is None for value in changed.values())
    text = description or f"{'Remove' if gone else 'Set'} {', '.join(changed)} config vars"
    app.log.api(f"{text} by user {cloud.account.email}")
    return make(cloud, app, text)


def rollback(cloud: Cloud, app: App, release: Release) -> Release:
    """A new release with the slug and the config vars of an old one. Raises Refused (422)."""
    if release.slug is None or release.status != "succeeded":
        raise invalid(f"Cannot roll back to v{release.version}: it is not eligible.")
    app.config = dict(release.config)
    app.log.api(f"Rollback to v{release.version} by user {cloud.account.email}")
    return make(cloud, app, f"Rollback to v{release.version}", release.slug)


def activate(cloud: Cloud, app: App, release: Release) -> None:
    """Makes a release current: its process types are the formation's, its dynos replace the old ones."""
    release.status = "succeeded"
    release.touch()
    app.current, app.released_at = release, stamp()
    if release.slug is None:
        return
    first = not app.formation
    app.stack = release.slug.stack
    _adopt_types(app, release.slug, first)
    cloud.spawn(fleet.replace_all(cloud, app))


def by_identity(app: App, identity: str) -> Release:
    """By id, `N` or `vN`. Raises Refused (404)."""
    for release in app.releases:
        if identity in (release.id, str(release.version), f"v{release.version}"):
            return release
    raise Refused(404, message="Couldn't find that release.", resource="release")


def _adopt_types(app: App, slug: Slug, first: bool) -> None:
    types = {name: command for name, command in slug.process_types.items() if name != RELEASE_TYPE}
    for name in set(app.formation) - set(types):
        del app.formation[name]
    for name, command in types.items():
        known = app.formation.get(name)
        if known:
            known.command = command
        else:
            size = next((each.size for each in app.formation.values()), catalog.size("Basic"))
            quantity = 1 if first and name == "web" else 0
            app.formation[name] = Formation(type=name, command=command, size=size, quantity=quantity)


def _release_command(cloud: Cloud, release: Release) -> str | None:
    fault = cloud.faults.take(FailRelease) if release.slug else None
    if fault:
        return f"echo 'release phase: failed by request'; exit {fault.status}"
    return release.slug.process_types.get(RELEASE_TYPE) if release.slug else None


async def _release_phase(cloud: Cloud, app: App, release: Release, command: str) -> None:
    """Runs the release command in a dyno of its own; the release becomes current only where it ends well."""
    output = release.output
    assert output is not None
    dyno = Dyno(cloud, app, release, fleet.one_off_name(app, RELEASE_TYPE), command, _phase_size(app))
    dyno.output = output
    output.write("")
    app.dynos[dyno.name] = dyno
    app.log.heroku(dyno.name, "Release command executing")
    try:
        await dyno.start()
        status = await dyno.wait()
    finally:
        app.dynos.pop(dyno.name, None)
    if status == 0:
        activate(cloud, app, release)
    else:
        release.status = "failed"
        release.touch()
        app.log.api(f"Release v{release.version} command failed with exit status {status}")
    output.close()


def _phase_size(app: App) -> catalog.Size:
    return next((each.size for each in app.formation.values()), catalog.size("Basic"))
