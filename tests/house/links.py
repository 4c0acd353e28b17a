#!/usr/bin/env python3
"""Finds links of the documents that lead nowhere: files and headings that are not there, a decision named by another's number.

    links.py SOURCE_ROOT
    links.py --self-test
"""
import pathlib
import re
import subprocess
import sys
import tempfile

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def documents(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "*.md"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [root / name for name in listed.stdout.split("\0") if name and (root / name).exists()]
    return [f for f in root.rglob("*.md") if "build" not in f.relative_to(root).parts[:1]]  # an unpacked archive


def anchors(text):
    """As GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def wrong_links(root, document):
    text = document.read_text()
    for match in LINK.finditer(text):
        words, target = match.groups()
        if "://" in target or target.startswith("mailto:"):
            continue
        where = f"{document.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}: {target}"
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists():
            yield f"{where}: is not there"
        elif anchor and anchor not in anchors(path.read_text()):
            yield f"{where}: has no such heading"
        number = re.fullmatch(r"(?:decisions?\s+)?(\d+)", words, re.IGNORECASE)
        decision = re.match(r"(\d{4})-", path.name)
        if number and decision and int(number[1]) != int(decision[1]):
            yield f"{where}: is not decision {number[1]}"


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "0003-three.md").write_text("# 3. Three, and `more`\n")
        page = root / "page.md"
        page.write_text("# Here\n[decision 3](0003-three.md) [3](0003-three.md#3-three-and-more) [up](#here) [out](https://example.org/x)\n")
        assert not list(wrong_links(root, page)), list(wrong_links(root, page))
        for bad in ("[a](none.md)", "[decision\n2](0003-three.md)", "[2](0003-three.md)", "[a](0003-three.md#four)", "[a](#there)"):
            page.write_text(f"# Here\n{bad}\n")
            assert len(list(wrong_links(root, page))) == 1, bad


def main():
    if sys.argv[1] == "--self-test":
        self_test()
        return
    root = pathlib.Path(sys.argv[1])
    found = documents(root)
    wrong = [line for document in found for line in wrong_links(root, document)]
    print("\n".join(wrong) if wrong else f"{len(found)} documents, every link leads somewhere")
    sys.exit(1 if wrong else 0)


main()
