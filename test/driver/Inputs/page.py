"""Checks that a page stands alone and is well-formed, and prints its texts: page.py FILE."""

import re
import sys
import xml.etree.ElementTree

TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "p", "br",
        "b", "i", "small", "span", "div", "ol", "ul", "li", "table", "tr", "th", "td", "svg", "g", "path", "rect",
        "text"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "style", "role", "aria-label", "viewBox", "x", "y",
              "width", "height", "rx", "d", "fill-opacity"}

page = open(sys.argv[1], encoding="utf-8").read()
assert page.startswith("<!DOCTYPE html>")
for element in xml.etree.ElementTree.fromstring(page).iter():
    assert element.tag in TAGS, element.tag
    assert set(element.attrib) <= ATTRIBUTES, element.attrib
    style = element.text if element.tag == "style" else element.get("style", "")
    assert not re.search(r"url|@import|//", style), style
    if element.tag != "style" and (element.text or "").strip():
        print(f"{element.tag}: {' '.join(element.text.split())}")
