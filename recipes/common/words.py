"""Words and patterns of the generated sentences."""

from __future__ import annotations

import random
import re

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
HIGHEST = {"low": 99, "mid": 999, "big": 9999}

LISTS = {
    "month": "January February March April May June July August September October November December".split(),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "part": "morning evening night afternoon".split(),
    "ord": (
        "first,second,third,fourth,fifth,sixth,seventh,eighth,ninth,tenth,eleventh,twelfth,thirteenth,fifteenth,"
        "twentieth,twenty first,twenty third,thirtieth"
    ).split(","),
    "n": (
        "order package ticket account message meeting invoice report payment appointment flight reservation password "
        "email file server update system document project model voice sample recording question answer problem "
        "solution table window door kitchen garden river mountain forest city village street market school hospital "
        "library station airport museum theater restaurant coffee bread water apple orange chicken salad soup cake "
        "dinner breakfast lunch book letter picture phone computer camera music song movie game story weather rain "
        "snow wind sun moon star cloud storm summer winter spring autumn morning evening night day week month year "
        "dog cat horse bird fish child teacher doctor lawyer driver engineer manager customer friend neighbor brother "
        "sister mother father family team company office factory train bus car bicycle boat ship plane road bridge"
    ).split(),
    "a": (
        "new old small large quick slow bright dark heavy light warm cold fresh clean quiet loud simple difficult "
        "strange beautiful friendly careful important different possible early late short long wide narrow deep high "
        "low strong weak gentle brave clever honest patient busy empty full broken ready tired hungry happy sad angry "
        "calm curious lucky perfect red blue green yellow white black brown purple gray golden"
    ).split(),
    "v": (
        "check send open close find bring take leave keep watch write finish start change move clean build fix paint "
        "carry follow help visit call remember forget choose explain describe cancel confirm review share save delete "
        "print play pause repeat"
    ).split(),
    "past": (
        "checked sent opened closed found brought took left kept watched wrote finished started changed moved cleaned "
        "built fixed painted carried followed visited called remembered forgot chose explained described canceled "
        "confirmed reviewed shared saved deleted printed played repeated"
    ).split(),
    "name": (
        "Emma Oliver James Sophia Daniel Grace Henry Alice Thomas Julia Robert Maria Peter Laura Michael Sarah David "
        "Anna George Helen Martin Nora Lucas Clara Samuel Rose Victor Irene Felix Diana"
    ).split(),
    "place": (
        "London Paris Boston Chicago Denver Seattle Berlin Tokyo Madrid Rome Sydney Toronto Dublin Vienna Houston "
        "Atlanta Portland Oslo Cairo Lisbon"
    ).split(),
}

GREETINGS = (
    "Hello. Hi. Hi there. Good morning. Good evening. Good night. Goodbye. Thank you. Thanks. Yes. No. Okay. Sure. "
    "Please wait. One moment. Of course. Not yet. Well done. Welcome back. See you soon. Come in. Try again. I agree. "
    "Maybe later. That is right. All done. Stop. Go on. Why not? Who is it? What time is it? Really?"
)

TEMPLATES = (
    "Your {n} number is {big}.",
    "The total comes to {mid} dollars and {low} cents.",
    "Please {v} the {n} before {day} {part}.",
    "The {n} is on {day}, {month} {ord}.",
    "{name} {past} the {a} {n} in {place}.",
    "Hello {name}, thank you for calling about your {n}.",
    "Would you like me to {v} the {n}?",
    "The {a} {n} is next to the {a} {n}.",
    "I {past} a {a} {n} and a {a} {n}.",
    "It takes {low} minutes to {v} the {n}.",
    "Can you {v} my {n}, please?",
    "Good {part}, {name}. How can I help you?",
    "We will {v} your {n} as soon as possible.",
    "There are {low} {n}s in the {n}.",
    "In twenty {low}, they {past} the {n} near {place}.",
    "The temperature in {place} is {low} degrees.",
    "I'm sorry, I didn't {v} the {n}.",
    "{name} and {name} are going to {place} on {day}.",
    "Why did {name} {v} the {a} {n}?",
    "Welcome to {place}. The {n} is {a} today.",
    "She said that the {n} was too {a} for the {n}.",
    "Don't {v} the {n} until the {n} is {a}.",
    "If you {v} the {n} now, {name} will {v} the {n} on {day}, and we can {v} the {a} {n} later.",
)

SHORT = (
    *("{N}.", "The {n}.", "A {a} {n}.", "{V} it.", "{V} the {n}.", "{name}.", "Hello, {name}.", "Thank you, {name}."),
    *("{place}.", "In {place}.", "{Low}.", "{Mid}.", "On {day}.", "{month} {ord}.", "Yes, {name}.", "{A}."),
    *("Very {a}.", "Is it {a}?", "My {n}.", "Where is the {n}?"),
)


def greetings() -> list[str]:
    """Common short utterances."""
    return re.findall(r"[^.?]+[.?]", GREETINGS.replace(". ", ".").replace("? ", "?"))


def number(value: int, rng: random.Random) -> str:
    """An integer below ten thousand in words."""
    if value < 20:
        return ONES[value]
    if value < 100:
        return TENS[value // 10 - 2] + (f" {ONES[value % 10]}" if value % 10 else "")
    if value < 1000:
        rest = rng.choice((" ", " ", " and ")) + number(value % 100, rng) if value % 100 else ""
        return f"{ONES[value // 100]} hundred{rest}"
    return number(value // 1000, rng) + " thousand" + (f" {number(value % 1000, rng)}" if value % 1000 else "")


def fill(template: str, rng: random.Random) -> str:
    """Fill a pattern with random words; a capitalized name gives a capitalized word."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        highest = HIGHEST.get(name.lower())
        word = number(rng.randint(1, highest), rng) if highest else rng.choice(LISTS[name.lower()])
        return word[0].upper() + word[1:] if name[0].isupper() else word

    return re.sub(r"\{(\w+)\}", one, template)
