"""HTML pages that stand alone: no script, no font, no picture, nothing fetched; for a screen and for A4."""

from typing import Final

from lxml import etree

_STYLE: Final = """
:root { --ink: #1b1b1b; --soft: #555; --line: #767676; --tint: #f1f5f4; --mark: #005a50; }
* { box-sizing: border-box; }
html { font-size: 16px; }
body { font: 1rem/1.45 "Noto Sans", "Segoe UI", "Liberation Sans", Arial, sans-serif; color: var(--ink);
  background: #fff; margin: 0 auto; padding: 1rem; max-width: 62rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2rem 0 .6rem; padding: .35rem .6rem; background: var(--mark); color: #fff; }
h3 { font-size: 1.05rem; margin: 1.3rem 0 .4rem; border-bottom: 2px solid var(--mark); }
p { margin: .2rem 0; }
ul, ol { margin: .2rem 0; padding: 0; list-style: none; }
.meta, .hint, .check, .count { color: var(--soft); font-size: .9rem; }
.name { font: .75rem "Liberation Mono", Consolas, monospace; color: var(--soft); }
.only { font-size: .9rem; border-left: 4px solid var(--mark); background: var(--tint); padding: .15rem .5rem;
  margin: .25rem 0; }
.shown { border: 1px solid var(--line); padding: .5rem .7rem; margin: .7rem 0; }
.question { margin: .8rem 0; padding: 0 0 .6rem 3.4rem; border-bottom: 1px solid #ccc; position: relative; }
.number { position: absolute; left: 0; top: 0; font-weight: 700; min-width: 3rem; }
.text { font-weight: 600; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.2rem; }
.codes { columns: 17rem; margin-top: .35rem; }
.codes li { break-inside: avoid; padding: .1rem 0 .1rem 3.3rem; text-indent: -3.3rem; }
.codes li > * { text-indent: 0; }
.box { display: inline-block; width: 1.05rem; height: 1.05rem; border: 1.5px solid var(--ink); vertical-align: -.15rem;
  margin-right: .4rem; }
.code { display: inline-block; min-width: 1.7rem; font-weight: 600; }
.digits { white-space: nowrap; display: inline-block; margin: .3rem .9rem .1rem 0; }
.digits i { display: inline-block; width: 1.5rem; height: 1.8rem; border: 1.5px solid var(--ink);
  border-right-width: 0; vertical-align: middle; }
.digits i:last-of-type { border-right-width: 1.5px; }
.digits small { color: var(--soft); padding-left: .3rem; }
.line { display: block; border-bottom: 1px solid var(--ink); height: 2rem; max-width: 40rem; }
.short { display: inline-block; width: 11rem; margin-right: .9rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
.scroll:focus-visible { outline: 3px solid var(--mark); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { border: 1px solid var(--line); padding: .3rem .4rem; vertical-align: top; text-align: left; }
thead th { background: var(--tint); }
.roster { min-width: 44rem; table-layout: fixed; }
.roster .ask { width: 46%; font-weight: 400; }
.roster .ask > strong:first-child:has(+ .text) { float: left; margin-right: .4rem; }
.roster thead th:not(.ask) { text-align: center; }
.roster td { height: 2.6rem; }
.roster .within { background: var(--tint); font-weight: 600; }
.inline { font-size: .85rem; }
.inline li { display: inline; }
.inline li:not(:last-child)::after { content: " · "; }
dt { font-weight: 600; margin-top: .5rem; break-after: avoid; }
dd { margin: 0 0 .2rem 1rem; }
.facts { display: grid; grid-template-columns: 11rem 1fr; gap: .1rem .8rem; margin: .3rem 0; font-size: .92rem; }
.facts dt, .facts dd { margin: 0; }
.facts dt { color: var(--soft); }
.facts dd { grid-column: 2; }
.note-grave { border-left: 4px solid #8a1c00; padding-left: .5rem; }
.note-slight { border-left: 4px solid #bbb; padding-left: .5rem; }
@media (max-width: 40rem) {
  html { font-size: 15px; }
  body { padding: .7rem; }
  .pair { grid-template-columns: 1fr; }
  .question { padding-left: 0; }
  .number { position: static; display: block; }
  .codes { columns: auto; }
  .facts { display: block; }
}
@media print {
  @page { size: A4; margin: 14mm 13mm 16mm;
    @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt; } }
  html { font-size: 9.5pt; }
  body { max-width: none; padding: 0; }
  h2 { break-before: page; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2.first { break-before: auto; }
  h2, h3 { break-after: avoid; }
  .question, .shown, tr, article { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  .roster { min-width: 0; }
  .only, thead th, .within { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def page(*, language: str, title: str) -> tuple[etree._Element, etree._Element]:
    """Return a page and its ``main`` element, to be filled."""
    html = etree.Element("html", lang=language)
    head = add(html, "head")
    add(head, "meta", charset="utf-8")
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "title", title)
    add(head, "style", _STYLE)
    return html, add(add(html, "body"), "main")


def rendered(html: etree._Element) -> str:
    """Return a page as text."""
    text: str = etree.tostring(html, method="html", encoding="unicode", doctype="<!DOCTYPE html>", pretty_print=False)
    return text


def add(parent: etree._Element, tag: str, text: str = "", /, **attributes: str) -> etree._Element:
    """Add an element; ``class_`` and ``for_`` are ``class`` and ``for``, ``aria_label`` is ``aria-label``."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    element = etree.SubElement(parent, tag, names)
    if text:
        element.text = text
    return element


def add_text(parent: etree._Element, text: str) -> None:
    """Append text after everything that is in an element."""
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
