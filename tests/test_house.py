"""What holds for the repository as a whole: documents agree with the code, and rules no linter knows."""

import re
from pathlib import Path

import click
import pytest

from server.cli import main
from server.db.tables import Base

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted(path for room in ("server", "sync_protocol", "forms") for path in (ROOT / room).rglob("*.py"))


def test_only_the_engine_and_the_tablets_outbox_commit() -> None:
    committing = {
        path.relative_to(ROOT).parts[:2]
        for path in SOURCES
        if re.search(r"\.commit\(", path.read_text(encoding="utf-8"))
    }
    assert committing <= {("server", "db"), ("sync_protocol", "client")}
    inside_db = [path.name for path in (ROOT / "server" / "db").rglob("*.py") if ".commit(" in path.read_text("utf-8")]
    assert inside_db == ["group_commit.py"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_of_a_document_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    missing = [
        target
        for target in targets
        if "://" not in target and not target.startswith("mailto:") and not (document.parent / target).exists()
    ]
    assert missing == []


def test_every_table_name_is_a_word_of_the_glossary() -> None:
    glossary = (ROOT / "docs" / "explanation" / "glossary.md").read_text(encoding="utf-8").lower()
    unknown = {
        table
        for table in Base.metadata.tables
        if not all(word.rstrip("s") in glossary for word in table.lower().split("_"))
    }
    assert unknown == set()


def _commands(group: click.Group, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, command in group.commands.items():
        found.add((*prefix, name))
        if isinstance(command, click.Group):
            found |= _commands(command, (*prefix, name))
    return found


def test_every_command_that_a_document_shows_exists() -> None:
    known = _commands(main)
    groups = {command[0] for command in known if any(len(other) > 1 and other[0] == command[0] for other in known)}
    shown: set[tuple[str, ...]] = set()
    for document in DOCUMENTS:
        for line in re.findall(
            r"^(?:\.venv/bin/)?passerelle (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE
        ):
            words = re.sub(r"--(data|data-dir) \S+", "", line.split("#")[0]).split()
            words = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
            if words:
                shown.add(tuple(words[:2]) if words[0] in groups else (words[0],))
    assert shown <= known, shown - known
    assert shown


def test_every_make_target_that_the_readme_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    shown |= set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test"} <= shown <= targets
