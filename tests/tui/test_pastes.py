"""A paste is text: no escape sequence in it becomes a key, however the terminal cuts it into pieces."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual._xterm_parser import XTermParser

from steer_tui.tui.pastes import BEGIN, END, PasteFilter
from steer_tui.tui.terminal import survive_odd_bytes

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "a\x1bd",
    "\x1b",
    "\x1b[",
    "\x1b[A",
    "\x1b[201",
    "\x1b[200~",
    "\x1b\x1b[B",
    "x" * 50,
    "\x1b[<0;1;1M",
]
PIECES = st.lists(st.sampled_from([*HOSTILE, "one", "d", " ", "\r", "漢"]), max_size=8).map("".join)


def read(*pieces: bytes) -> list[events.Event]:
    """Return the keys and pastes that Textual makes of what a terminal sends in these pieces."""
    filtered, parser = PasteFilter(codecs.getincrementaldecoder("utf-8")(errors="replace").decode), XTermParser()
    found = [event for piece in pieces if (text := filtered.decode(piece)) for event in parser.feed(text)]
    return [event for event in found if isinstance(event, events.Key | events.Paste)]


def names(found: list[events.Event]) -> list[str]:
    return [event.text if isinstance(event, events.Paste) else f"<{event.key}>" for event in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pasted", "text"),
    [
        ("a\x1b[31mred\x1b[0m d", "ared d"),
        ("a\x1bd", "ad"),
        ("end\x1b[20", "end[20"),
        ("\x1b[200~x", "x"),
        ("plain\rlines", "plain\rlines"),
    ],
)
def test_escape_sequences_of_a_paste_are_taken_out(pasted: str, text: str) -> None:
    assert names(read(f"{BEGIN}{pasted}{END}".encode())) == [text]


@given(PIECES, st.data())
def test_a_paste_in_pieces_is_one_paste_and_no_key(pasted: str, data: st.DataObject) -> None:
    sent = f"i{BEGIN}{pasted}{END}r".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    found = names(read(*(sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True))))
    assert (found[0], found[-1]) == ("<i>", "<r>")
    assert len(found) <= 3 and not any(name.startswith("<") for name in found[1:-1])


def test_keys_beside_a_paste_are_keys_still() -> None:
    assert names(read(b"r\x1b[A", f"{BEGIN}text{END}".encode(), b"\x1b[B=")) == [
        "<r>",
        "<up>",
        "text",
        "<down>",
        "<equals_sign>",
    ]


def test_the_driver_reads_through_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.drivers import linux_driver

    monkeypatch.setattr(linux_driver, "getincrementaldecoder", codecs.getincrementaldecoder)
    survive_odd_bytes()
    decode = vars(linux_driver)["getincrementaldecoder"]("utf-8")().decode
    assert decode(f"{BEGIN}a\x1bd{END}\x1b[A".encode()) == f"{BEGIN}ad{END}\x1b[A"
    assert decode(b"\xff") == "\ufffd"
