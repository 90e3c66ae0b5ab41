"""The pictures of the docs that are drawn and not plotted: from `tests`, ``python pictures.py`` writes them.

Plain SVG without a background, so narrow that a phone shows it in a readable size. Text stands in boxes of a colour of their
own; what stands outside, lines and their "no", is of a grey that shows on white and on black, since it cannot know its page.
``test_pictures.py`` holds the files to this, and the codes in them to those of the package.
"""

from collections.abc import Callable, Iterable
from html import escape
from typing import NamedTuple

import reference
from support import ROOT

from fallback_roots import _watch

DOCS = ROOT / "docs"
WIDTH, GAP, PAD, LINE, SIZE = 400, 22, 9, 17, 13
LEFT, RIGHT = 244.0, 132.0  # widths of the two columns, of questions and of what comes of a yes
GREY, BLUE, GREEN, BROWN, SLATE = "#7a7a7a", "#2b62a0", "#1d7044", "#84531b", "#555d69"
NARROW, WIDE = set("iljtfr.,:;'|!()[] "), set("mwMWABCDEFGHKNOQRSUVXYZ_—→")


def length(text: str, size: float = SIZE) -> float:
    """About how wide `text` is, with a little to spare: fonts differ."""
    return size * sum(0.36 if c in NARROW else 0.82 if c in WIDE else 0.64 for c in text)


def wrapped(text: str, width: float) -> list[str]:
    """`text` in lines of at most `width`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if length(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


class Box(NamedTuple):
    """A box at `x`, as wide as `width`, with a bold heading (or none) and a text."""

    x: float
    width: float
    colour: str
    heading: str
    text: str = ""

    @property
    def lines(self) -> list[str]:
        return wrapped(self.text, self.width - 2 * PAD) if self.text else []

    @property
    def height(self) -> float:
        return 2 * PAD + LINE * (len(self.lines) + bool(self.heading))

    def at(self, y: float, height: float) -> str:
        """The box as SVG, its text in the middle of `height`."""
        drawn = [f'<rect x="{self.x:g}" y="{y:g}" width="{self.width:g}" height="{height:g}" rx="6" fill="{self.colour}"/>']
        first = y + PAD + (height - self.height) / 2 + SIZE
        bold = [self.heading] if self.heading else []
        for number, line in enumerate([*bold, *self.lines]):
            weight = ' font-weight="700"' if number < len(bold) else ""
            drawn.append(f'<text x="{self.x + PAD:g}" y="{first + LINE * number:g}"{weight}>{escape(line)}</text>')
        return "\n".join(drawn)


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with a head."""
    head = (-4, -7, 4, -7) if x == to_x else (-7, -4, -7, 4)
    points = f"{to_x:g},{to_y:g} {to_x + head[0]:g},{to_y + head[1]:g} {to_x + head[2]:g},{to_y + head[3]:g}"
    return (
        f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" stroke="{GREY}" stroke-width="2" fill="none"/>\n'
        f'<polygon points="{points}" fill="{GREY}"/>'
    )


def drawing(rows: Iterable[tuple[Box, ...]], title: str, description: str) -> str:
    """Rows of boxes under each other: an arrow from each first box to the next one, and one to the box on its right."""
    drawn, y, above, was_asked = [], 1.0, 0.0, False
    for row in rows:
        height = max(box.height for box in row)
        if above:
            drawn.append(arrow(LEFT / 2, above, LEFT / 2, y))
        if was_asked:
            drawn.append(f'<text x="{LEFT / 2 + 9:g}" y="{above + 16:g}" fill="{GREY}" font-weight="700">no</text>')
        drawn += [box.at(y, height) for box in row]
        if len(row) > 1:
            drawn.append(arrow(row[0].x + row[0].width, y + height / 2, row[1].x, y + height / 2))
        above, was_asked = y + height, len(row) > 1
        y = above + GAP
    end = above + 1
    fonts = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
    size = f'width="{WIDTH}" height="{end:g}" viewBox="0 0 {WIDTH} {end:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{fonts}" font-size="{SIZE}" fill="#fff">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the road


def whole(colour: str, heading: str, text: str) -> tuple[Box, ...]:
    return (Box(0, WIDTH, colour, heading, text),)


def asked(question: str, heading: str, text: str = "", colour: str = SLATE) -> tuple[Box, ...]:
    """A question, and what comes of it where the answer is yes."""
    return Box(0, LEFT, BLUE, "", question), Box(WIDTH - RIGHT, RIGHT, colour, heading, text)


def road() -> str:
    """What runs from the interpreter's start to the handshake."""
    doors = " and ".join(_watch.DOORS)
    rows = [
        whole(
            BROWN,
            "1  Python starts",
            "site reads fallback_roots.pth: import fallback_roots.auto. "
            "That imports sys and os, and puts a finder on sys.meta_path.",
        ),
        asked("Does FALLBACK_ROOTS_DISABLE say off?", "yes: the end", "nothing is armed"),
        whole(
            BROWN,
            "2  import ssl",
            f"The finder lets the others find ssl. Then _watch puts stand-ins in the place of {doors}. No third-party import.",
        ),
        whole(BROWN, "3  A default load", "The stand-in calls the original, as without us."),
        asked("Did the load add a certificate?", "yes: handshake", "a healthy load: nothing more runs", GREEN),
        whole(BROWN, "4  It added none", "_detect and _places look at what it was for, and at where it looked."),
        asked("Does anything say that there are roots, or shall be none?", "yes: handshake", "as without us"),
        whole(
            GREEN,
            "5  The first empty load",
            "_fallback reads the settings (_settings), and _sources loads what they choose into this one context: "
            "certifi, cafile, capath, or the system's bundle. _patch puts wrapt's wrappers in the place of the stand-ins. "
            "One log record (_say).",
        ),
        whole(SLATE, "6  Handshake", "OpenSSL verifies with the roots that the context has. Nothing of this package runs."),
    ]
    return drawing(
        rows,
        "From the start of Python to the handshake",
        "Six steps, one below the other, with three questions at which a load leaves the road. The page has them in words.",
    )


# ---------------------------------------------------------------- the decision


def decision() -> str:
    """How it is decided whether a default load gets the fallback."""
    rows = [
        whole(BROWN, "A default load has returned", "load_default_certs(), or create_default_context()."),
        asked("Did it add a certificate?", "yes: untouched", colour=GREEN),
        asked("Did the caller name roots (cafile, capath, cadata)?", "yes: untouched"),
        *(asked(question, code, "untouched") for code, question in reference.QUESTIONS.items()),
        whole(GREEN, "empty", "The default load found nothing. Now the settings are asked."),
        *(
            asked(f"{text[0].upper()}{text[1:]}?", code, "no roots")
            for code, text in reference.OUTCOMES.items()
            if code != "loaded"
        ),
        whole(GREEN, "loaded", f"{reference.OUTCOMES['loaded'].capitalize()}."),
    ]
    return drawing(
        rows,
        "How a default load is judged",
        "Questions below each other. A yes leaves to the right, with the verdict's code, and the context stays untouched; "
        "only after a no to all of them the verdict is empty, and the settings are asked.",
    )


PICTURES: dict[str, Callable[[], str]] = {"road.svg": road, "decision.svg": decision}


def main() -> None:
    """Write all of them."""
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
