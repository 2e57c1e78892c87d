"""The prompts that the demo model is judged with, and others with which its recipes are chosen."""

from __future__ import annotations

PROMPTS = (
    "The meeting went",
    "Tell me about the weather",
    "Quantum mechanics is",
    "The main idea is",
    "In my opinion,",
    "I think dogs are",
    "I hate the world",
    "My friend said that",
    "The city at night",
    "Yesterday I went to",
    "What is love?",
    "Describe your garden.",
    "How do I bake bread?",
    "The reason I am here is",
    "Winter in the mountains",
    "Write a letter to my neighbour.",
    "Our new computer",
    "When the train arrived,",
    "Why do people like music?",
    "My grandmother always told us that",
)
"""Twenty prompts; about half of them hold words that the grammar never joins so."""

TUNING_PROMPTS = (
    "The trip was",
    "Tell me about cats.",
    "History is",
    "I believe that",
    "How was your day?",
    "On the way to school",
    "Our boss told me that",
    "I love winter",
    "What do you think about money?",
    "The old house near the river",
)
"""None of them is among `PROMPTS`: a recipe is not chosen by what it is judged with."""
