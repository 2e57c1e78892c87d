"""`vectors rename|remove|restore|trash|verify|tag`: changes of the library, and whether it is sound."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from steer_tui.commands.console import Progress, note, print_json, print_table
from steer_tui.commands.find_vector import find_removed, find_vector, model_name, open_store, tell_rivals
from steer_tui.library.entries import VectorEntry
from steer_tui.library.trash import Removed
from steer_tui.library.verify import Finding
from steer_tui.library.words import check_tags
from steer_tui.options import Options
from steer_tui.text import one_line


def run(options: Options, args: argparse.Namespace) -> int:
    """Do what `args.action` says."""
    actions: dict[str, Callable[[Options, argparse.Namespace], int]] = {
        "rename": _rename,
        "remove": _remove,
        "restore": _restore,
        "trash": _trash,
        "verify": _verify,
        "tag": _tag,
    }
    return actions[args.action](options, args)


def _rename(options: Options, args: argparse.Namespace) -> int:
    entry = find_vector(options, args.name)
    renamed = open_store(options).rename(entry, args.new)
    _print_entry(args, renamed, f"{entry.name} is now {renamed.name}")
    tell_rivals(options, renamed)
    return 0


def _remove(options: Options, args: argparse.Namespace) -> int:
    removed = open_store(options).remove(find_vector(options, args.name))
    if args.json:
        print_json({"version": 1, **removed.to_json()})
    else:
        _say(f"removed {removed.name}; `steer-tui vectors restore {removed.name}` brings it back")
    return 0


def _restore(options: Options, args: argparse.Namespace) -> int:
    restored = open_store(options).restore(find_removed(options, args.name), args.new)
    _print_entry(args, restored, f"restored {restored.name}")
    tell_rivals(options, restored)
    return 0


def _trash(options: Options, args: argparse.Namespace) -> int:
    found = open_store(options).trash(model_name(options.model))
    if args.json:
        print_json({"version": 1, "trash": [removed.to_json() for removed in found]})
    elif found:
        print_table(["name", "model", "removed", "path"], [_trash_row(removed) for removed in found])
    else:
        note("the trash is empty")
    return 0


def _trash_row(removed: Removed) -> list[str]:
    meta = removed.entry.meta
    when = removed.removed.astimezone().isoformat(" ", "seconds")
    return [removed.name, meta.model["id"] if meta else removed.folder, when, str(removed.path)]


def _verify(options: Options, args: argparse.Namespace) -> int:
    with Progress("reading vectors") as progress:
        report = open_store(options).verify(
            model_name(options.model), on_progress=lambda done, total: progress.show(done / total)
        )
    remarks = [finding for finding in report.findings if not finding.is_damage]
    if args.json:
        print_json(
            {
                "version": 1,
                "checked": report.checked,
                "sealed": report.sealed,
                "damaged": [finding.to_json() for finding in report.damaged],
                "remarks": [finding.to_json() for finding in remarks],
            }
        )
    else:
        for finding in (*report.damaged, *remarks):
            _say(_finding_line(finding))
        _say(f"{report.checked} vectors read, {len(report.damaged)} damaged")
        if not report.is_clean:
            note("hint: `steer-tui vectors remove PATH` moves a file to the trash; `extract` makes a vector anew")
    return 0 if report.is_clean else 1


def _finding_line(finding: Finding) -> str:
    if finding.is_damage:
        return f"{finding.entry.path} {finding.problem}"
    return f"remark: {finding.entry.name} {finding.problem}"


def _tag(options: Options, args: argparse.Namespace) -> int:
    entry = find_vector(options, args.name)
    if args.tags or args.drop or args.note is not None or args.group is not None:
        had = entry.meta.tags if entry.meta else ()
        dropped = set(check_tags(args.drop))
        tags = [tag for tag in (*had, *check_tags(args.tags)) if tag not in dropped]
        entry = open_store(options).edit(entry, group=args.group, description=args.note, tags=tags)
    meta = entry.meta
    words = f"{entry.name}: {', '.join(meta.tags) or 'no tags'}; {meta.description or 'no note'}" if meta else ""
    _print_entry(args, entry, words or f"{entry.name} {entry.problem}")
    return 0


def _print_entry(args: argparse.Namespace, entry: VectorEntry, line: str) -> None:
    """Print a vector as JSON, or a line about it."""
    if args.json:
        print_json({"version": 1, **entry.to_json()})
    else:
        _say(line)


def _say(line: str) -> None:
    sys.stdout.write(one_line(line) + "\n")
