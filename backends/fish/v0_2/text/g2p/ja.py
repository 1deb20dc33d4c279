"""Japanese phones by Open JTalk.

The steps are those of Fish-Speech v0.2.0 ``fish_speech/text/japanese.py``. Either of two packages works:
pyopenjtalk-plus, which includes a dictionary (its own corrections of Open JTalk are switched off), or pyopenjtalk with
an installed dictionary.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable

from backends.errors import LoadError
from backends.fish.v0_2.text.g2p.packages import optional
from backends.fish.v0_2.text.symbols import PUNCTUATION

EXTRA = "fish-ja"
PACKAGE = "pyopenjtalk-plus"
MAX_PART_CHARS = 400  # Open JTalk's buffer holds some 2,000, and pyopenjtalk writes past its end

_MARKS = re.escape("".join(PUNCTUATION))
_PART = re.compile(rf"[A-Za-z0-9\u3040-\u30ff\u31f0-\u31ff\u4e00-\u9fff]{{1,{MAX_PART_CHARS}}}|[{_MARKS}]")
# Phones of newer dictionaries that the model lacks, in the closest spelling of the training dictionary.
_REPLACED = {"pau": "-", "kw": "k u", "gw": "g u", "fy": "f u y", "ty": "t y", "A": "a", "E": "e", "O": "o"}


class Japanese:
    """Converts clean text; drops characters other than kana, ideographs, Latin letters, digits and punctuation."""

    def __init__(self) -> None:
        self._g2p: Callable[[str], str] | None = None

    def warm_up(self) -> None:
        """Load the dictionary: 100 MB, about 1 s.

        :raises LoadError: if a package or its dictionary is missing.
        """
        if self._g2p is None:
            self._g2p = _open_jtalk()
            self._g2p("あ")

    def __call__(self, text: str) -> list[str]:
        """Return the phones of a text.

        :raises LoadError: if a package or its dictionary is missing.
        """
        self.warm_up()
        assert self._g2p is not None  # noqa: S101 - warm_up sets it
        phones: list[str] = []
        for part in _PART.findall(text):
            if part in PUNCTUATION:
                phones.append(part)
            else:
                for phone in self._g2p(part).split():
                    phones += _REPLACED.get(phone, phone).split()
        return phones


def _open_jtalk() -> Callable[[str], str]:
    module = optional("pyopenjtalk", PACKAGE, EXTRA)
    dictionary = os.fsdecode(module.OPEN_JTALK_DICT_DIR)
    if not os.path.exists(dictionary):  # pyopenjtalk would download it now
        raise LoadError(f"pyopenjtalk has no dictionary at {dictionary}: pip install 'voxgate[{EXTRA}]' includes one")
    options = {"use_vanilla": True} if "use_vanilla" in inspect.signature(module.g2p).parameters else {}

    def g2p(text: str) -> str:
        phones: str = module.g2p(text, **options)
        return phones

    return g2p
