"""The drawn pictures of the docs: they are what `pictures.py` writes, fit their boxes, and name what the package has."""

import re
from xml.etree import ElementTree

import pictures
import pytest
import reference
from support import ROOT
from test_layout import SOURCES

from fallback_roots import _watch

SVG = "{http://www.w3.org/2000/svg}"


def texts(name: str) -> list[str]:
    """The lines of text in a picture's file."""
    tree = ElementTree.fromstring((pictures.DOCS / name).read_text(encoding="utf-8"))  # noqa: S314  # our own file
    return [element.text or "" for element in tree.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_file_is_what_the_script_draws(name: str) -> None:
    """To take over what was changed there: cd tests; python pictures.py"""
    assert (pictures.DOCS / name).read_text(encoding="utf-8") == pictures.PICTURES[name]()


def test_the_decision_names_every_verdict() -> None:
    """Every code of `Verdict` is a box's heading, and so is every code of `Outcome`."""
    shown = texts("decision.svg")
    codes = reference.verdict_codes()
    assert len(codes) >= 9
    for code in (*codes, *reference.OUTCOMES):
        assert shown.count(code) == 1, code


def test_the_road_names_modules_that_are_there() -> None:
    """Each name of a module on the road is one, and both doors are named."""
    text = " ".join(texts("road.svg"))
    named = set(re.findall(r"(?<![\w.])_[a-z]+", text))
    assert {"_watch", "_detect", "_places", "_fallback", "_sources", "_patch"} <= named
    assert {f"fallback_roots.{name}" for name in named} <= set(SOURCES)
    assert all(door in text for door in _watch.DOORS)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_text_fits_its_box(name: str) -> None:
    """No line is wider than the box that it starts in, and no box leaves the picture."""
    tree = ElementTree.fromstring((pictures.DOCS / name).read_text(encoding="utf-8"))  # noqa: S314  # our own file
    boxes = [tuple(float(each.attrib[key]) for key in ("x", "y", "width", "height")) for each in tree.iter(f"{SVG}rect")]
    assert len(boxes) > 5
    assert max(x + width for x, _, width, _ in boxes) <= pictures.WIDTH
    for text in tree.iter(f"{SVG}text"):
        at_x, at_y = float(text.attrib["x"]), float(text.attrib["y"])
        (box,) = (
            (each for each in boxes if each[0] <= at_x < each[0] + each[2] and each[1] < at_y < each[1] + each[3])
            if (text.text != "no")
            else (None,)
        )
        if box is not None:
            assert at_x + pictures.length(text.text or "") <= box[0] + box[2], text.text


@pytest.mark.parametrize(("name", "page"), [("road.svg", "what-runs-when.md"), ("decision.svg", "how-it-decides.md")])
def test_a_page_shows_it_and_says_it(name: str, page: str) -> None:
    """The picture is in its page, with a text for those who do not see it; and in itself, too."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (alternative,) = re.findall(rf"!\[([^\]]+)\]\({name}\)", text)
    assert len(alternative) > 80
    tree = ElementTree.fromstring((pictures.DOCS / name).read_text(encoding="utf-8"))  # noqa: S314  # our own file
    assert all((tree.findtext(f"{SVG}{tag}") or "").strip() for tag in ("title", "desc"))
