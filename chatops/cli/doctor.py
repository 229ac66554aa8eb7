"""`chatops doctor`: what a deploy would need, looked at without changing anything."""

from __future__ import annotations

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName

MARKS = {"ok": "✓", "warning": "!", "error": "✗"}


def doctor(
    context: typer.Context,
    target: TargetName = None,
) -> None:
    """Look at what a deploy would need; reads only. Exit code 3 when something stands in the way."""
    if invocation.run(_doctor(invocation.of(context), target)):
        raise typer.Exit(3)


async def _doctor(call: Invocation, name: str | None) -> bool:
    async with call.target(call.load(), name) as target:
        found = await target.doctor()
    wrong = any(finding.status == "error" for finding in found.findings)
    if call.json:
        call.answer({"target": target.name, "ok": not wrong, "findings": list(found.findings), "facts": found.facts})
        return wrong
    for finding in found.findings:
        print(f"{MARKS[finding.status]} {finding.name}: {finding.message}")
        if finding.hint and finding.status != "ok":
            print(f"    hint: {finding.hint}")
    return wrong
