"""Text in pictures, with installed fonts that support its characters."""

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import groupby

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

LINE = 18  # pixels, the height of a line of text


def text_bar(text: str, width: int, big: bool = False) -> np.ndarray:
    """Draw a line of text on white, truncated to the width: (LINE, width, 3)."""
    height, size = LINE + 4 * big, 13 if big else 11
    image = Image.new('RGB', (width, height), (255, 255, 255))
    text = ' '.join(text.split())
    while text and sum(font.getlength(run) for font, run in _runs(text, size, big)) > width - 8:
        text = text[:-2].rstrip('…') + '…' if len(text) > 2 else ''
    draw, x = ImageDraw.Draw(image), 4.0
    for font, run in _runs(text, size, big):
        draw.text((x, height // 2 + size // 3), run, (0, 0, 0), font, anchor='ls')
        x += font.getlength(run)
    return np.asarray(image)


@cache
def number_mark(number: int, size: int) -> np.ndarray:
    """Draw a white number with a black outline and digits of at most ``size`` pixels: (H, W, 4), RGBA uint8."""
    font = ImageFont.truetype(_own_font(True), size)
    left, top, right, bottom = font.getbbox(str(number), stroke_width=1)
    image = Image.new('RGBA', (int(right - left) + 1, int(bottom - top) + 1))
    white, black = (255, 255, 255, 255), (0, 0, 0, 255)
    draw = ImageDraw.Draw(image)
    draw.text((-left, -top), str(number), white, font, stroke_width=1, stroke_fill=black)
    return np.asarray(image)


def _runs(text: str, size: int, bold: bool) -> list[tuple[ImageFont.FreeTypeFont, str]]:
    """Split the text into runs, each with a font that supports all its characters."""
    pieces = groupby(text, lambda character: _font_with(character, bold))
    return [(_load(path, size), ''.join(characters)) for path, characters in pieces]


_load = cache(ImageFont.truetype)


@cache
def _own_font(bold: bool) -> str:
    """Return DejaVu Sans, which matplotlib includes."""
    return font_manager.findfont('DejaVu Sans:bold' if bold else 'DejaVu Sans')


@cache
def _font_with(character: str, bold: bool) -> str:
    """Return the file of a font that supports a character, or DejaVu Sans if none does."""
    for path in (_own_font(bold), *_other_fonts()):
        with suppress(OSError, RuntimeError):  # a damaged file
            font = font_manager.get_font(path)
            if font.scalable and font.get_char_index(ord(character)):
                return path
    _warn_of_missing(character)
    return _own_font(bold)


def _other_fonts() -> Iterator[str]:
    """Yield all fonts of matplotlib and the system, those for Chinese, Japanese and Korean first."""
    paths = {*font_manager.findSystemFonts(), *(entry.fname for entry in font_manager.fontManager.ttflist)}
    paths = {path for path in paths if 'LastResort' not in path}  # matplotlib's placeholder for any character
    yield from sorted(paths, key=lambda path: ('CJK' not in path, 'Regular' not in path, path))


def _warn_of_missing(character: str) -> None:
    # Python shows a repeated warning only once
    kind = unicodedata.name(character, repr(character)).split()[0]
    warnings.warn(
        f'no installed font supports {kind} characters, which are drawn as boxes; install a font, such as Noto Sans '
        'CJK (Debian: apt-get install fonts-noto-cjk)',
        stacklevel=2,
    )
