"""Normalize names, so that texts that look the same are the same name. Pure."""

import re
import unicodedata

MAX_NAME_CHARS = 100
# Letters and symbols that are drawn as a gap: Hangul fillers, the blank Braille cell, a note without a head.
_BLANKS = dict.fromkeys((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x1D159), " ")
# Of category Cf, but visible: signs of Arabic, Syriac and Kaithi that surround or cover the following characters.
_DRAWN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Not of category Cf, but never visible (Unicode's Default_Ignorable_Code_Point).
_IGNORED = re.compile("[\u034f\u17b4\u17b5\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_REGION = re.compile("[\U0001f3f4\U000e0020-\U000e007f]")  # a black flag and tags: the flags of Scotland or Wales
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")  # colours of emoji
_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ
# Scripts whose spelling uses joiners: Arabic to Sinhala, Tibetan to Burmese, Khmer, Mongolian, Tai Tham, and related
# ones.
_JOINING = re.compile("[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1cff\ua800-\uabff\U00011000-\U00011fff]")
_STEERING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})  # values of Bidi_Class


def clean_name(text: str, *, max_chars: int = MAX_NAME_CHARS) -> str:
    """Return the name as it is stored; raise a ValueError whose text is meant for the person who typed it.

    Control characters and characters that change the text direction are refused: nobody types one by accident.
    """
    if any(map(_is_control, text.strip())):
        raise ValueError("Leave out control characters and direction marks.")
    name = normal_name(text)
    if not any(unicodedata.category(char)[0] in "LNPS" or char in _DRAWN for char in name):
        raise ValueError("Enter a name." if not text.strip() else "Use letters, digits or signs that can be seen.")
    if len(name) > max_chars:
        raise ValueError(f"Use at most {max_chars} characters; this has {len(name)}.")
    return name


def normal_name(text: str) -> str:
    """Return the text in NFC, with single spaces and without invisible characters.

    Joiners stay inside words of scripts that use them and inside emoji. Variation selectors stay after a character that
    has variants.
    """
    while (normal := _normalized(text)) != text:  # after a removal, neighbours may compose
        text = normal
    return text


def is_same_name(typed: str, name: str) -> bool:
    """Return True if the typed text looks like the name. Joiners, selectors and direction marks cannot be typed."""
    return _as_seen(typed) == _as_seen(name)


def _as_seen(text: str) -> str:
    return normal_name("".join(char for char in text if char.isspace() or not (_is_control(char) or _is_unseen(char))))


def _normalized(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFC", text).translate(_BLANKS).split())
    kept = ""
    for at, char in enumerate(text):
        if not _is_unseen(char) or _has_effect(char, kept[-1:], text[at + 1 : at + 2]):
            kept += char
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs"} or unicodedata.bidirectional(char) in _STEERING


def _is_unseen(char: str) -> bool:
    if unicodedata.category(char) == "Cf":
        return char not in _DRAWN and not _is_control(char)
    return bool(_IGNORED.match(char) or _SELECTORS.match(char))


def _has_effect(unseen: str, before: str, after: str) -> bool:
    """Return True if the invisible character changes how its neighbours are drawn."""
    if unseen in _JOINERS:
        in_word = _JOINING.match(before) and _JOINING.match(after)
        return bool(in_word or (unseen == _JOINERS[1] and _is_emoji(before) and _is_emoji(after)))
    if _SELECTORS.match(unseen):
        return bool(before) and (unicodedata.category(before)[0] in "NPS" or unicodedata.category(before) == "Lo")
    return bool(_REGION.match(unseen) and _REGION.match(before))


def _is_emoji(char: str) -> bool:
    return bool(_SELECTORS.match(char) or _SKIN.match(char)) or (char != "" and unicodedata.category(char) == "So")
