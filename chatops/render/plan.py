"""A plan as text: what would be done, and why."""

from __future__ import annotations

from typing import Any

from chatops.goals import Plan

SIGNS = {"create": "+", "change": "~", "remove": "-", "skip": "="}


def text(plan: Plan) -> str:
    """One line a step, phase by phase; `+` create, `~` change, `-` remove, `=` nothing to do."""
    lines: list[str] = []
    for phase in plan.phases:
        lines.append(f"{phase.name}:")
        for step in phase.steps:
            lines.append(f"  {SIGNS[step.reason]} {step.title}")
            lines += [f"      {line}" for line in step.detail.splitlines()]
        if phase.gate:
            lines.append(f"  ? gate: {phase.gate.url} answers well {phase.gate.answers} times in a row")
    lines += [f"! {notice}" for notice in plan.notices]
    return "\n".join(lines or ["nothing to do"])


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as CONTRACT's one object; what steps run is left to `plan --script`."""
    phases = [
        {
            "name": phase.name,
            "steps": [
                {"name": step.name, "title": step.title, "reason": step.reason, "detail": step.detail} for step in phase.steps
            ],
            "gate": phase.gate.url if phase.gate else None,
        }
        for phase in plan.phases
    ]
    goal = type(plan.goal).__name__.lower()
    return {"goal": goal, "release": plan.release, "changes": plan.changes, "phases": phases, "notices": list(plan.notices)}
