"""From words to correct text: agreement, articles, capitals, and the dialects that touch every sentence."""

from __future__ import annotations

import random
import re

_IRREGULAR = {"be": "is", "have": "has", "do": "does"}
_PLURAL_OF = {"is": "are", "has": "have", "was": "were", "does": "do", "doth": "do", "hath": "have"}
_AN_EXCEPTIONS = re.compile(r"^(uni|use|usu|eur|one\b|once\b)", re.IGNORECASE)
_SILENT_H = re.compile(r"^(hour|honest|heir)", re.IGNORECASE)


def third_person(phrase: str) -> str:
    """Return a base-form verb phrase in the third person singular."""
    verb, _, rest = phrase.partition(" ")
    if verb in _IRREGULAR:
        form = _IRREGULAR[verb]
    elif re.search(r"(s|x|z|ch|sh|o)$", verb):
        form = verb + "es"
    elif re.search(r"[^aeiou]y$", verb):
        form = verb[:-1] + "ies"
    else:
        form = verb + "s"
    return f"{form} {rest}".strip()


def agree(verb: str, plural: bool) -> str:
    """Return a third-person singular verb, or its plural form."""
    if not plural:
        return verb
    if verb in _PLURAL_OF:
        return _PLURAL_OF[verb]
    return verb[:-1]


def eth_form(phrase: str) -> str:
    """Return a verb phrase with the old ending: `changes fast` becomes `changeth fast`."""
    verb, _, rest = phrase.partition(" ")
    if verb in ("is", "has", "does", "was") or not verb.endswith("s"):
        return phrase
    stem = verb[:-2] if verb.endswith("es") and not verb.endswith("ies") else verb[:-1]
    stem = stem[:-1] if stem.endswith("e") else stem
    return f"{stem}eth {rest}".strip()


def fix_articles(text: str) -> str:
    """Return text with `a` and `an` chosen by the sound of the next word."""

    def choose(match: re.Match[str]) -> str:
        article, word = match.group(1), match.group(2)
        vowel = (word[0].lower() in "aeiou" and not _AN_EXCEPTIONS.match(word)) or bool(_SILENT_H.match(word))
        return ("A" if article[0] == "A" else "a") + ("n " if vowel else " ") + word

    return re.sub(r"\b([Aa]n?) ([A-Za-z]+)", choose, text)


def sentence(text: str) -> str:
    """Return text as a finished sentence: one space between words, right articles, capital letters."""
    text = re.sub(r"\s+", " ", text).strip()
    text = text.replace(" 'm ", "'m ")
    text = re.sub(r",\s*,", ",", text)
    text = re.sub(r",\s*([.!?])", r"\1", text)
    text = fix_articles(text)
    return re.sub(r"(^[^A-Za-z0-9]*|[.!?] +)([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)


def exclaim(text: str) -> str:
    """Return a sentence that ends in an exclamation mark instead of a full stop."""
    return text[:-1] + "!" if text.endswith(".") else text


_PIRATE = (("you", "ye"), ("your", "yer"), ("my", "me"), ("is", "be"), ("are", "be"), ("am", "be"), ("friend", "matey"))
_SHAKESPEARE = (
    ("you can", "thou canst"),
    ("you need", "thou needest"),
    ("you want", "thou wouldst"),
    ("you have", "thou hast"),
    ("you", "thee"),
    ("your", "thy"),
    ("has", "hath"),
    ("does", "doth"),
    ("it is", "'tis"),
    ("often", "oft"),
    ("between", "betwixt"),
)
_CASUAL = (
    ("it is", "it's"),
    ("that is", "that's"),
    ("I am", "I'm"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("cannot", "can't"),
    ("very", "super"),
    ("want to", "wanna"),
    ("people", "guys"),
)
_FORMAL = (("starts", "commences"), ("began", "commenced"), ("begins", "commences"), ("also", "moreover"))
_DIALECTS = {"pirate": _PIRATE, "shakespeare": _SHAKESPEARE, "casual": _CASUAL, "formal": _FORMAL}


def _swap(text: str, old: str, new: str) -> str:
    text = re.sub(rf"\b{re.escape(old)}\b", new, text)
    if old[0].isupper():
        return text
    return re.sub(rf"\b{re.escape(old.capitalize())}\b", new.capitalize(), text)


def dialect(text: str, concept: str, rng: random.Random) -> str:
    """Return a sentence in the spelling and grammar of a concept that has its own, else unchanged."""
    for old, new in _DIALECTS.get(concept, ()):
        text = _swap(text, old, new)
    if concept == "pirate":
        text = re.sub(r"\bof\b", lambda m: "o'" if rng.random() < 0.5 else m.group(0), text)
        text = re.sub(r"(\w{3,})ing\b(?! -)", lambda m: m.group(1) + "in'" if rng.random() < 0.5 else m.group(0), text)
        text = re.sub(r"\b(morn|even|everyth|someth|noth|meet|k|dur|spr)in'", r"\1ing", text)
    return text
