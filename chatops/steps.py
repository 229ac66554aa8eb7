"""The shell steps on workers that every host with PM2 shares: start, gate, switch, drain, stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from chatops.deployed import SetFacts
from chatops.frozen import frozen
from chatops.goals import Reason
from chatops.limits import LIMITS
from chatops.model import App
from chatops.pm2 import Layout, RunSet, files
from chatops.program import ShellStep
from chatops.shell import assign, words, write


@frozen
class Site:
    """What stays the same while we work on a host. Programs define `node` (a path) and the command `npm`."""

    app: App
    workers: int
    keep: int
    url: str
    layout: Layout
    scripts: PurePosixPath
    pm2: PurePosixPath
    node_major: str
    arch: str
    """The processor's, as uname(1) has it."""
    provided: tuple[str, ...] = ()
    """Secrets that lie in the secrets' folder of the host already."""
    slots: int = 0
    """How many names the sockets of a set have, for a proxy that is not told how many workers there are."""
    node: PurePosixPath | None = None
    """The Node for workers, where it is not simply the one that runs the scripts."""
    stores: str = ""
    """Where the stores of `provided` are: workers that were given others are replaced."""
    by: str = ""
    """Who changes it, for the history that is kept there."""


def step(
    name: str, title: str, action: str, check: str = "false", reason: Reason = "change", limit: float = 120.0
) -> ShellStep:
    """A shell step in one line."""
    return ShellStep(name=name, title=title, reason=reason, check=check, action=action, limit=limit)


def counted(number: int, noun: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def start(site: Site, run_set: RunSet, numbers: range) -> tuple[ShellStep, ...]:
    """Starts workers beside what serves and lets them prove themselves."""
    folder = run_set.folder
    # A proxy of the folder's group must reach the sockets; `chmod` would cost the folder its group for what is made in it.
    texts = [f"(umask 067 && {words('mkdir', '-p', folder)})", words("mkdir", "-p", site.layout.logs, site.layout.data)]
    texts += [write(folder / name, json.dumps(value)) for name, value in files(run_set, numbers, site.scripts)]
    texts += [summary(run_set, numbers.stop, proved=numbers.start), ask_pm2(site, "start", folder / "apps.json")]
    title = f"start {counted(len(numbers), 'worker')} of {run_set.name} beside what serves"
    return (step("start", title, "\n".join(texts), reason="create"), prove(site, run_set, numbers))


def prove(site: Site, run_set: RunSet, numbers: range, title: str = "gate: every worker answers well") -> ShellStep:
    """The gate on the host: workers answer well, as the release they should be, before any traffic goes to them.

    Those that were told to hand their clients over take some again, first.
    """
    gate = run_set.folder / "gate.json"
    checked = run_set.gate(numbers, site.app.health, site.app.websocket, LIMITS.boot / 2)
    text = f'{write(gate, json.dumps(checked))}\n"$node" {words(site.scripts / "gate.cjs", gate)}'
    text = f"{text}\n{summary(run_set, numbers.stop, proved=numbers.stop)}"
    text = f"{text}\n{lead(site, run_set, numbers.stop)}"
    return ShellStep(name="gate", title=title, action=text, limit=LIMITS.boot, proves=True)


def lead(site: Site, run_set: RunSet, workers: int) -> str:
    """Commands that lead the names `slot.N` to so many workers: links, changed by renames, so that none is ever absent."""
    if not site.slots:
        return ""
    return f"""\
slot=0
while [ "$slot" -lt {site.slots} ]; do
  worker=$((slot % {workers})).sock
  link={words(run_set.folder)}/slot.$slot
  if [ ! "$link" -ef {words(run_set.folder)}/"$worker" ]; then
    ln -sf "$worker" "$link.new"
    mv -fT "$link.new" "$link"
  fi
  slot=$((slot + 1))
done"""


def wake(site: Site, warm: SetFacts) -> ShellStep:
    """A warm set takes clients again, once it has proved itself."""
    return prove(site, warm.run_set, range(warm.workers), f"gate: {warm.run_set.name} wakes, every worker answers well")


def summary(run_set: RunSet, workers: int, proved: int) -> str:
    """Commands that record how many workers a set has; only those that have proved themselves get clients."""
    return write(run_set.folder / "set.json", json.dumps(run_set.summary(workers, proved)))


_SWITCH = r"""
found=$(readlink "$run/live") || found=-
if [ "$found" != "$expected" ] && [ "$found" != "$wanted" ]; then
  echo "live is \`$found\`, the plan expected \`$expected\`: somebody else changed it"
  exit 1
fi
point() { # one rename: the link is never absent
  rm -f "$1.new"
  ln -s "$2" "$1.new"
  mv -fT "$1.new" "$1" 2>/dev/null || "$node" -e 'require("fs").renameSync(...process.argv.slice(1))' "$1.new" "$1"
}
[ "$warm" = - ] || point "$run/previous" "$warm"
point "$run/live" "$wanted"
echo "live: $found -> $wanted"
point "$root/current" "$tree"
# What is a note only must not fail a switch that is done; where it served, a release gets another chance.
[ ! -e "$mark" ] || rm -f "$mark" || true
printf '{"time": "%s", %s\n' "$(date -u +%FT%T.000Z)" "$note" >>"$root/state/history.ndjson" || true
"""


def switch(site: Site, wanted: RunSet, live: str | None, warm: str | None, left: tuple[str, ...] = ()) -> ShellStep:
    """The one rename that moves all new traffic; refuses when `live` has changed since the plan was made.

    `left`: releases that no rollback should choose from now on.
    """
    layout, tree = site.layout, site.layout.release(wanted.release)
    # The history says who switched also where the tool that would add how it ended is gone by then.
    note = json.dumps({"what": "switch", "who": site.by, "from": live, "release": wanted.release})
    names = {"note": note.removeprefix("{"), "wanted": wanted.name, "expected": live or "-", "warm": warm or "-"}
    given = {"root": layout.root, "run": layout.run, "tree": tree, "mark": layout.bad(wanted.release), **names}
    text = "\n".join(assign(name, value) for name, value in given.items()) + _SWITCH
    text += "\n".join(f"true >{words(layout.bad(release))} || true" for release in left)
    return step("switch", f"switch traffic to {wanted.name} (one rename)", text, limit=30)


def drain(site: Site, live: SetFacts) -> ShellStep:
    """Hands the clients of what served before over to what serves now."""
    text = _drain(site, live.run_set, range(live.workers))
    return step("drain", f"hand the clients of {live.run_set.name} over", text, limit=LIMITS.drain + 20)


def _drain(site: Site, run_set: RunSet, numbers: range) -> str:
    return f'"$node" {words(site.scripts / "drain.cjs", int(LIMITS.drain), *map(run_set.ops, numbers))}'


def retire(site: Site, live: SetFacts, numbers: range) -> ShellStep:
    """Ends some workers of the set that serves: first they get no new connections, then they hand over, then they stop.

    They are of the set until they have ended, so that whoever finds this interrupted ends them.
    """
    run_set, proved = live.run_set, min(live.proved, numbers.start)
    unseen = words("rm", "-f", "--", *map(run_set.socket, numbers))
    texts = [
        summary(run_set, numbers.stop, proved),
        lead(site, run_set, numbers.start),
        unseen,
        _drain(site, run_set, numbers),
        stop_workers(site, run_set, numbers),
    ]
    texts += [summary(run_set, numbers.start, proved)]
    title = f"drain and stop {len(numbers)} of {counted(numbers.stop, 'worker')}"
    return step("stop", title, "\n".join(texts), reason="remove")


def stop_sets(site: Site, gone: list[SetFacts]) -> Iterator[ShellStep]:
    """Stops whole sets and forgets them, also workers that PM2 has lost sight of."""
    if gone:
        text = "\n".join(stop_workers(site, facts.run_set, range(facts.workers)) for facts in gone)
        folders = words("rm", "-rf", "--", *(facts.run_set.folder for facts in gone))
        names = ", ".join(facts.run_set.name for facts in gone)
        yield step("stop", f"stop {names}", f"{text}\n{folders}", reason="remove")


def stop_workers(site: Site, run_set: RunSet, numbers: range) -> str:
    """Commands that end workers of a set."""
    names = [run_set.worker(number) for number in numbers]
    records = words(*(run_set.record(number) for number in numbers))
    left = [run_set.folder / f"{number}.{end}" for number in numbers for end in ("sock", "ops", "pid.json", "json")]
    return f"{ask_pm2(site, 'stop', *names)}\nend_recorded {records}\n{words('rm', '-f', '--', *left)}"


def ask_pm2(site: Site, *arguments: object) -> str:
    """PM2 through our script, in a clean environment (its dump keeps what it sees) and without our lock's descriptor."""
    clean = f'env -i PATH="$PATH" HOME="$HOME" {words(f"PM2_HOME={site.layout.pm2}")}'
    return f'{clean} "$node" {words(site.scripts / "pm2.cjs", site.pm2, *arguments)} 9>&-'
