"""YAML, TOML and INI to blocks."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from ingestd.embed.extract import extract

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def sections(found: Extracted) -> list[tuple[str, ...]]:
    """The paths of the sections."""
    return [block.headings for block in found.blocks if block.heading]


def texts(found: Extracted) -> list[str]:
    """The text of each block, without the white space around it."""
    return [found.text[block.start : block.end].strip() for block in found.blocks]


def test_keys_of_yaml_are_headings() -> None:
    """A key with a long value is a section; short ones stay with their neighbours."""
    values = "".join(f"      key{i}: some value of some length\n" for i in range(20))
    found = extract(
        f"name: x\non: [push]\n\njobs:\n  build:\n    env:\n{values}  short:\n    a: 1\n"
        "last: y\n".encode(),
        b"a.yml",
    )
    assert sections(found) == [("jobs",), ("jobs", "build"), ("jobs", "build", "env")]
    assert ("short:\n    a: 1", ("jobs",)) in [
        (text, block.headings) for text, block in zip(texts(found), found.blocks, strict=True)
    ]
    assert found.blocks[-1].headings == ()


def test_items_of_yaml_are_blocks() -> None:
    """An item of a list stands whole, indented under its key or not."""
    items = "".join(f"- name: item {i}\n  run: |\n    key: x\n\n    y\n" for i in range(30))
    found = extract(f"steps:\n{items}after: 1\n".encode(), b"a.yaml")
    assert sections(found) == [("steps",)]
    inside = [text for text in texts(found) if text.startswith("- name: item 7")]
    assert inside == ["- name: item 7\n  run: |\n    key: x\n\n    y"]
    assert found.blocks[-1].headings == ()


def test_documents_of_yaml_end_all_keys() -> None:
    """Behind three dashes a new document begins."""
    big = "data:\n" + "".join(f"  k{i}: value value value\n" for i in range(30))
    found = extract(f"---\n{big}---\n# Second.\nkind: B\n".encode(), b"a.yaml")
    assert sections(found) == [("data",)]
    assert found.blocks[-1].headings == ()


def test_sections_of_toml_are_headings() -> None:
    """A long section has its name as heading; comments above it belong to it."""
    rows = "".join(f"option-{i} = 'some value'\n" for i in range(30))
    source = dedent(
        '''\
        title = "x"

        [small]
        a = 1

        # About the tool.
        [tool.x]
        text = """
        [no.section]
        """
        '''
    )
    found = extract(f"{source}{rows}\n[[other]]\nb = 2\n".encode(), b"a.toml")
    assert sections(found) == [("tool.x",)]
    assert any(text.startswith("# About the tool.\n[tool.x]") for text in texts(found))
    assert ("[small]\na = 1") in texts(found)
    assert found.blocks[-1].headings == ()


def test_units_and_ini_files_are_read_so() -> None:
    """What has names in brackets is read like TOML."""
    rows = "".join(f"Environment=NAME{i}=some-value\n" for i in range(30))
    found = extract(f"[Unit]\nDescription=x\n\n[Service]\n{rows}".encode(), b"a.service")
    assert sections(found) == [("Service",)]
    assert found.mime == "text/x-ini"


def test_property_files_have_escaped_letters() -> None:
    """What Java programs keep as escapes is read as the letters; a path is a path."""
    found = extract(b"title=\\ud55c\\uae00\npath=C:\\\\users\\x\n", b"messages_ko.properties")
    assert found.text == "title=한글\npath=C:\\\\users\\x\n"
