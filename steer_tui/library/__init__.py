"""Keeps: vectors, concepts and formats on disk."""
