"""The monitor's own themes: dark, light, and one whose good and bad differ for every eye (Okabe and Ito's colours)."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="chatops",
    dark=True,
    primary="#5aa9ff",
    secondary="#4fd1c5",
    accent="#c49bff",
    success="#5fd38d",
    warning="#f4bf4f",
    error="#ff7b72",
    foreground="#d7dee8",
    background="#0e131b",
    surface="#151c27",
    panel="#1c2533",
)
LIGHT = Theme(
    name="chatops-light",
    dark=False,
    primary="#0b5cad",
    secondary="#0f766e",
    accent="#7c3aed",
    success="#17723a",
    warning="#9a5b00",
    error="#b3261e",
    foreground="#1b2430",
    background="#fbfcfe",
    surface="#f1f4f8",
    panel="#e4eaf2",
)
EVERY_EYE = Theme(
    name="chatops-blue-orange",
    dark=True,
    primary="#56b4e9",
    secondary="#009e73",
    accent="#cc79a7",
    success="#56b4e9",
    warning="#f0e442",
    error="#e69f00",
    foreground="#e6e6e6",
    background="#101418",
    surface="#181d23",
    panel="#20272f",
)
THEMES = (DARK, LIGHT, EVERY_EYE)
