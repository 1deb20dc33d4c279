"""Grapheme-to-phoneme conversion, one converter each for Chinese, Japanese and English.

Dictionaries are loaded on first use, or by ``warm_up``. The packages that contain them are optional.
"""
