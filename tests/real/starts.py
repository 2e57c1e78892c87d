"""How texts of the small real models begin, by the model's folder."""

from __future__ import annotations

STARTS = {"stories260k": "Once upon a time", "tinystories-656k": "<|start_story|>Once upon a time"}
