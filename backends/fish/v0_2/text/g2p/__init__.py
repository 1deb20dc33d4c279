"""From the text of one language to its phones: a reader for each of Chinese, Japanese and English.

Dictionaries are loaded at the first use, or by ``warm_up``; the packages they come in are optional.
"""
