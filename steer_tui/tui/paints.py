"""What panes paint with: names for kinds of text, their looks set once per screen by the style sheet.

One set per screen and not per pane, because every one of them is a node that the style sheet has to be matched against.
"""

from __future__ import annotations

NAMES = (
    *("muted", "faint", "strong", "group", "prompt", "unsteered", "mark"),
    *("cursor", "cursor-blurred", "hover", "tab-here", "key", "accent", "thumb", "rail", "spark"),
    *("on", "number", "positive", "negative", "good", "warning", "error"),
)

CLASSES = frozenset(f"paint--{name}" for name in NAMES)
"""Component classes that a screen with panes declares."""

OWN_BACKGROUND = frozenset(("cursor", "hover", "tab-here"))
"""Paints that bring a background; the others take the pane's."""
