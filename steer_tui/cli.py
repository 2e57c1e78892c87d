"""Arguments to calls, and whatever happens to an exit status.

Promises: 0 done, 1 failed while running, 2 bad input or usage, 130 interrupted; one `error:` line and at most one
`hint:` line on stderr, cleaned of control characters; no traceback without `--debug`. Imports no torch, no textual.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from steer_tui.commands.arguments import build_parser, read_options
from steer_tui.errors import Cancelled, SteerError, UsageError
from steer_tui.options import Options

INTERRUPTED = 130
REMOTE_FPS = "15"
"""Frames a second over SSH, where every redraw is bytes on the wire."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status.

    Args:
        argv: The arguments; None takes the process's own, and then the process may end from in here.
    """
    if argv is not None:
        return _run(list(argv))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    _open_closed_streams()
    status = _run(sys.argv[1:])
    if "torch" in sys.modules:
        _leave(status)  # taking torch and transformers apart takes a second or more, and saves nothing
    return status


def _leave_at_once(number: int, frame: object) -> NoReturn:
    """End the process here and now.

    A KeyboardInterrupt would do harm: one that falls into the import of torch aborts the process, one that falls into
    an exec() of some library makes python report a death by signal. Files are written whole or not at all, so nothing
    is lost.
    """
    wipe = "\r\x1b[K" if os.isatty(2) else ""
    os.write(2, f"{wipe}error: interrupted\n".encode())
    os._exit(INTERRUPTED)


def _open_closed_streams() -> None:
    """Put the null device where a standard stream was closed, as `>&-` does.

    Otherwise printing fails, and the next file that is opened takes the stream's number and what is printed to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _leave(status: int) -> NoReturn:
    """End the process with what was printed delivered and nothing else done."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    _survive_any_text()
    try:
        return _dispatch(arguments)
    except (KeyboardInterrupt, Cancelled):
        return _interrupted()
    except SteerError as error:
        return _report(error, error.message, error.hint, error.exit_status, debug)
    except BrokenPipeError:
        return _stdout_closed()
    except OSError as error:
        return _report(error, _system_words(error), "--debug shows where it happened", 1, debug)
    except MemoryError as error:
        return _report(error, "out of memory", "a smaller model or --dtype bfloat16 needs less", 1, debug)
    except Exception as error:  # the last line of defence: a traceback is for --debug only
        return _report(error, f"{type(error).__name__}: {error}", "--debug shows where it happened", 1, debug)


def _dispatch(arguments: list[str]) -> int:
    try:
        namespace = build_parser().parse_args(arguments)
    except SystemExit as leaving:  # --help and --version print and leave
        sys.stdout.flush()
        return leaving.code if isinstance(leaving.code, int) else 0
    options = read_options(namespace)
    _tell_libraries(options)
    if namespace.command is None:
        return _open_workbench(options)
    status: int = import_module(f"steer_tui.commands.{namespace.command}").run(options, namespace)
    sys.stdout.flush()
    return status


def _open_workbench(options: Options) -> int:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("the workbench needs a terminal", hint="`steer-tui generate --help` works without one")
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        os.environ.setdefault("TEXTUAL_FPS", REMOTE_FPS)  # textual reads it when it is imported
    from steer_tui.tui.launch import run_app

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the screen puts the terminal back before it leaves
    return run_app(options)


def _tell_libraries(options: Options) -> None:
    """Set what torch, transformers and tokenizers read from the environment; they are imported later."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if options.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if options.debug:
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")


def _survive_any_text() -> None:
    """Let no character end the program, whatever the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _system_words(error: OSError) -> str:
    """Return what the system says is wrong, and with which file where it names one."""
    what = error.strerror or f"{type(error).__name__}: {error}"
    return what if error.filename is None else f"{error.filename}: {what}"


def _report(error: BaseException, message: str, hint: str | None, status: int, debug: bool) -> int:
    from steer_tui.commands.console import complain

    if debug:
        import traceback

        traceback.print_exception(error)
    complain(message, hint)
    return status


def _interrupted() -> int:
    from steer_tui.commands.console import complain

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _stdout_closed()
    complain("interrupted", None)
    return INTERRUPTED


def _stdout_closed() -> int:
    """Leave quietly when the reader of stdout has gone, as `head` does: it has what it wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
    return 0
