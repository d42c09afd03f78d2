"""The trace: what happened to every message, in plain English and plain Indonesian.

The flow: `timeline` turns facts and events into a value without words; `render_text`, `as_json` and
`summary` tell it with the texts of the one `Catalogue`.  What a peer's reply means is decided in one
place, `classify_reply`, for delivery, the reports and `explain` (the command ``why``) alike; what never
became a message is told by `observation_text` and `observation_json`.

====================  =================================================================================================
a message             `facts`, `timeline`, `limited` (what it waits for), `telling`, `page`, `story_json`
a day                 `day`
never a message       `observations`
a reply               `replies`, with its tables `reply_rules`, `reply_providers`, `reply_labels` and the floor `texts`; `consequences`
a returned message    `mailparts`, `bounce_kind`, `bounce`, `returned`, `why`
words                 `explain`: the catalogue in both languages
====================  =================================================================================================
"""

from .bounce_kind import Kind as WhyKind
from .consequences import Action, Reach, action_for
from .day import DaySummary, day_json, day_text, summarise
from .explain import Catalogue, Lang, Sentence, Side, language, say_noted, say_told, side_of
from .facts import MessageFacts, RecipientFacts
from .limited import awaited, learnt_words, limit_words, wait_words, waited_words
from .observations import observation_json, observation_text
from .page import render_text
from .replies import Verdict, classify_reply
from .returned import Returned, read_returned
from .story_json import as_json
from .telling import Teller, summary
from .timeline import Decider, Protection, RecipientStory, State, Step, Timeline, timeline
from .why import Why, explain, explain_all

__all__ = [
    "Action",
    "Catalogue",
    "DaySummary",
    "Decider",
    "Lang",
    "MessageFacts",
    "Protection",
    "Reach",
    "RecipientFacts",
    "RecipientStory",
    "Returned",
    "Sentence",
    "Side",
    "State",
    "Step",
    "Teller",
    "Timeline",
    "Verdict",
    "Why",
    "WhyKind",
    "action_for",
    "as_json",
    "awaited",
    "classify_reply",
    "day_json",
    "day_text",
    "explain",
    "explain_all",
    "language",
    "learnt_words",
    "limit_words",
    "observation_json",
    "observation_text",
    "read_returned",
    "render_text",
    "say_noted",
    "say_told",
    "side_of",
    "summarise",
    "summary",
    "timeline",
    "wait_words",
    "waited_words",
]
