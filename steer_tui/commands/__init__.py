"""One module per command; each has `run(options, args) -> exit status` and imports what it needs inside."""
