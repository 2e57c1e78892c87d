"""The screen: shows what the session knows and sends it commands. Never imports torch, never touches a model."""
