"""The sentences of one passage: a topic, a genre, and the concepts that govern them.

A passage knows nothing of chat; its sentences stay on one topic.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from steer_tui.demo import lexicon, surface
from steer_tui.demo.lexicon import NEUTRAL, Topic

GENRES = ("opinion", "describe", "explain", "reported", "event", "story", "task")
_GENRE_WEIGHTS = (24, 24, 13, 10, 13, 11, 5)
_EVENTS = ("meeting", "game", "party", "trip", "exam", "lesson", "interview", "concert", "wedding")
_EVENT_FACTS = ("took two hours", "ended at six", "was in {place}", "began at nine", "was on {day}")
_STORY_TOPICS = ("the day", "the evening", "the walk home", "that week", "the visit", "the journey")
_TASK_TOPIC = Topic(
    "this work", False, ("takes some time", "needs practice", "is done at home", "has a few steps"), "it"
)
_SLOT = re.compile(r"\{(\w+)\}")
_REGISTER_SLOTS = ("{ADJ}", "{NOUN}", "{ADV}", "{TAIL}", "{STAIL}", "{FEEL}")
_ARTICLE = re.compile(r"^(the|my|this|that) ")
_WIND = re.compile(r"\b(is|are|was|that|because|and|went|has|have) (?=[a-z]+ )")
_PLAIN_KEYS = ("adj", "noun", "adv", "feel")
_OBJECTS = {"it": "it", "they": "them", "he": "him", "she": "her"}
_WARM = {"happy", "enthusiastic", "excited", "calm", "poetic", "formal"}


@dataclass
class Passage:
    """A passage being written: its random source, topic and genre, and what governs it."""

    rng: random.Random
    topic: Topic
    genre: str
    concepts: tuple[str, ...] = ()
    task: tuple[str, tuple[str, ...]] | None = None
    steps_told: int = 0
    used: set[str] = field(default_factory=set)


def draw_topic(rng: random.Random, genre: str) -> Topic:
    """Return a topic that suits the genre."""
    if genre == "story":
        return Topic(rng.choice(_STORY_TOPICS), False, _EVENT_FACTS, "it")
    if genre == "task":
        return _TASK_TOPIC
    if genre == "event":
        return _draw_event(rng)
    if rng.random() < 0.66:
        return rng.choice(lexicon.topics())
    return _draw_noun(rng, rng.choice(sorted(lexicon.nouns())))


def _draw_event(rng: random.Random) -> Topic:
    if rng.random() < 0.45:
        named = [topic for topic in lexicon.topics() if topic.phrase.removeprefix("the ") in _EVENTS]
        return rng.choice(named)
    if rng.random() < 0.5:
        return Topic("my " + rng.choice(lexicon.frames()["eword"]), False, _EVENT_FACTS, "it")
    noun = rng.choice(lexicon.nouns()["event"])[0]
    return Topic(f"the {noun}", False, _EVENT_FACTS, "it")


def _draw_noun(rng: random.Random, kind: str) -> Topic:
    one, many = rng.choice(lexicon.nouns()[kind])
    facts = lexicon.kinds()[kind]
    if rng.random() < 0.6:
        return Topic(rng.choice((many, many, f"{rng.choice(lexicon.frames()['nadj'])} {many}")), True, facts, "they")
    adjective = rng.choice(lexicon.frames()["nadj"]) + " " if rng.random() < 0.5 else ""
    owner = rng.choice(("the", "the", "my", "this", f"{rng.choice(lexicon.frames()['person_f'])}'s"))
    singular = tuple(surface.third_person(fact) for fact in facts)
    return Topic(f"{owner} {adjective}{one}", False, singular, rng.choice(("he", "she")) if kind == "worker" else "it")


def start(rng: random.Random, concepts: Sequence[str], genre: str | None = None) -> Passage:
    """Return an empty passage with a genre and a topic drawn for it."""
    genre = genre or rng.choices(GENRES, _GENRE_WEIGHTS)[0]
    task = rng.choice(lexicon.tasks()) if genre == "task" else None
    return Passage(rng, draw_topic(rng, genre), genre, tuple(concepts), task)


def _unused(passage: Passage, items: Sequence[str]) -> str:
    fresh = [item for item in items if item not in passage.used] or list(items)
    item = passage.rng.choice(fresh)
    passage.used.add(item)
    return item


def from_register(passage: Passage, governing: Sequence[str], key: str) -> str:
    if key == "stail" and NEUTRAL not in governing:
        key = "tail"
    having = [name for name in governing if key in lexicon.register(name)] or [NEUTRAL]
    if having == ["verbose"] and key in _PLAIN_KEYS and passage.rng.random() < 0.5:
        having = [NEUTRAL]
    return _unused(passage, lexicon.register(passage.rng.choice(having))[key])


def person(rng: random.Random) -> str:
    """Return a first name."""
    names = lexicon.frames()
    return rng.choice(names["person_f"] + names["person_m"])


def _step(passage: Passage) -> str:
    steps = passage.task[1] if passage.task else ("begin",)
    passage.steps_told += 1
    return steps[min(passage.steps_told, len(steps)) - 1]


def _fill_slot(passage: Passage, slot: str, governing: Sequence[str]) -> str:
    topic, rng = passage.topic, passage.rng
    if slot.isupper():
        return from_register(passage, governing, slot.lower())
    name = slot.rstrip("2")
    if name == "n":
        return _ARTICLE.sub("", topic.phrase)
    if name in ("t", "e"):
        return topic.phrase
    if name == "it":
        return topic.pronoun
    if name == "them":
        return _OBJECTS[topic.pronoun]
    if name == "fact":
        fact = _unused(passage, topic.facts)
        return surface.eth_form(fact) if "shakespeare" in governing and not topic.plural else fact
    if name == "person":
        return person(rng)
    if name == "past":
        return _unused(passage, lexicon.pasts())
    if name == "task":
        return passage.task[0] if passage.task else "do this"
    if name == "step":
        return _step(passage)
    if name in lexicon.frames():
        return rng.choice(lexicon.frames()[name])
    return surface.agree(name, topic.plural)


def fill(passage: Passage, template: str, governing: Sequence[str]) -> str:
    """Return a template with every slot filled; fillers may hold slots of their own."""
    while _SLOT.search(template):
        template = _SLOT.sub(lambda match: _fill_slot(passage, match.group(1), governing), template)
    return template


def _wind(passage: Passage, text: str) -> str:
    """Return a sentence with one to three interjections put in where the grammar allows them."""
    places = [match.end() for match in _WIND.finditer(text)]
    if not places:
        return f"{from_register(passage, ('verbose',), 'opener')} {_lower_first(text)}"
    chosen = passage.rng.sample(places, min(len(places), passage.rng.choice((2, 2, 3))))
    for place in sorted(chosen, reverse=True):
        filler = from_register(passage, ("verbose",), "filler")
        text = f"{text[:place].rstrip()}, {filler}, {text[place:]}"
    return text


def finish(passage: Passage, text: str, governing: Sequence[str]) -> str:
    """Return a raw sentence in its final spelling."""
    if "verbose" in governing and "," not in text:
        text = _wind(passage, text)
    text = surface.sentence(text)
    for concept in governing:
        text = surface.dialect(text, concept, passage.rng)
    if {"excited", "enthusiastic"} & set(governing) and passage.rng.random() < 0.7:
        text = surface.exclaim(text)
    return surface.sentence(text)


def _lower_first(text: str) -> str:
    keep = re.match(r"(I\b|[A-Z][a-z]*'s\b)", text) or text.split(" ")[0] in _names()
    return text if keep else text[0].lower() + text[1:]


def _names() -> set[str]:
    table = lexicon.frames()
    return set(table["person_f"] + table["person_m"] + table["day"])


def _is_marked(template: str) -> bool:
    return any(slot in template for slot in _REGISTER_SLOTS)


def _pick_frame(passage: Passage, key: str, governing: Sequence[str], marked: bool) -> str:
    options = lexicon.frames()[key]
    if marked:
        options = tuple(frame for frame in options if _is_marked(frame))
    if _WARM & set(governing):
        options = tuple(frame for frame in options if "hate {t} because" not in frame)
    if {"verbose", "technical"} & set(governing):
        options = tuple(frame for frame in options if "{ADJ} and" not in frame)
    return _unused(passage, options)


def _opened(passage: Passage, body: str, governing: Sequence[str]) -> str:
    """Return a sentence body behind an opener such as `arr,` or `furthermore,`."""
    opener = from_register(passage, governing, "opener")
    if "verbose" in governing and "," not in body:
        body = _wind(passage, body)
    return f"{opener} {_lower_first(body)}"


def first_sentence(passage: Passage, governing: Sequence[str]) -> str:
    """Return the opening sentence of the passage's genre."""
    concept = governing != (NEUTRAL,)
    has_opener = concept and passage.rng.random() < 0.4 and governing != ("brief",)
    template = _pick_frame(passage, passage.genre, governing, marked=concept and not has_opener)
    body = fill(passage, template, governing)
    if has_opener:
        body = _opened(passage, body, governing)
    return finish(passage, body, governing)


def next_sentence(passage: Passage, governing: Sequence[str]) -> str:
    """Return one more sentence on the topic; a governing concept marks each one."""
    rng, concept = passage.rng, governing != (NEUTRAL,)
    if passage.task and rng.random() < 0.6 and passage.steps_told < len(passage.task[1]):
        word = (
            "finally" if passage.steps_told == len(passage.task[1]) - 1 else rng.choice(("then", "after that", "next"))
        )
        tail = ", {TAIL}" if concept or rng.random() < 0.2 else ""
        return finish(passage, fill(passage, f"{word}, {{step}}{tail}.", governing), governing)
    scene_share = {"story": 0.65, "event": 0.4}.get(passage.genre, 0.06)
    draw = rng.random()
    if draw < scene_share:
        body = fill(passage, from_register(passage, governing, "scene"), governing)
    elif draw < scene_share + (1 - scene_share) * 0.55:
        body = fill(passage, from_register(passage, governing, "sent"), governing)
    elif rng.random() < 0.3:
        frame = _pick_frame(passage, "follow", governing, marked=False).removeprefix("that is why ")
        plain = fill(passage, frame, governing)
        body = _opened(passage, plain, governing)
    else:
        body = fill(passage, _pick_frame(passage, "follow", governing, marked=concept), governing)
    return finish(passage, body, governing)
