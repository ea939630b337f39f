"""Make docs/causes, one page a cause in English and Japanese, from the catalogue of causes.

Here: which lines of the samples stand as examples, and the pages as Markdown.  Not here: what is
said about a cause (``patchmedic.cli.explain``); nothing is said here that is not in the data.

Run ``python docs/build.py`` after a change of the catalogue, ``--check`` to see whether that was
forgotten.  Pages of causes that no longer exist are removed.
"""

# ruff: noqa: E501 - a Japanese character counts as two columns

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from patchmedic.causes.catalogue import DATA, Catalogue, load_files
from patchmedic.causes.classifier import NAMED
from patchmedic.causes.schema import GROUPS, KIND_NAMES, Cause, compile_pattern
from patchmedic.cli import words
from patchmedic.cli.explain import (
    Block,
    Bullets,
    Explainer,
    Heading,
    Lines,
    Page,
    Paragraph,
    Ref,
    Spans,
    platforms_of,
)
from patchmedic.model import LANGUAGES, Remedy, Text
from patchmedic.remedies import load_remedies

ROOT = Path(__file__).resolve().parents[1]
PAGES = Path(__file__).resolve().parent / "causes"
SAMPLES = ROOT / "tests" / "samples"

EXAMPLES_MAX = 4
EXAMPLE_CHARACTERS_MAX = 200
MADE = (
    "<!-- Made by docs/build.py from the catalogue of causes; `make causes-docs` makes it anew. -->"
)

_INDEX: Mapping[str, Text] = {
    "title": {"en": "What can go wrong", "ja": "原因の一覧"},
    "intro": {
        "en": "Every cause that PatchMedic knows: how it shows, what looks like it, what to do, how"
        " PatchMedic makes sure and what it may do. `patchmedic causes` shows the same on a"
        " terminal, `patchmedic hresult` explains a Windows error code, and"
        " [CONTRIBUTING](../../CONTRIBUTING.md#add-a-cause) says how to add a cause.",
        "ja": "PatchMedic が識別できる原因の一覧です。各ページで、現れ方、間違えやすい原因、対処方法、"
        "PatchMedic による確認と修復を説明します。同じ内容を `patchmedic causes` コマンドで表示でき、"
        "Windows のエラーコードの意味は `patchmedic hresult` コマンドで確認できます。",
    },
    "cause": {"en": "cause", "ja": "原因"},
    "what": {"en": "what it is", "ja": "内容"},
    "platforms": {"en": "platforms", "ja": "プラットフォーム"},
    "remedies": {"en": "remedies", "ja": "修復"},
}
_OTHER: Mapping[str, tuple[str, str]] = {"en": ("ja", "日本語"), "ja": ("en", "English")}


def name_of(cause: str, language: str) -> str:
    """The file of a page; English has the plain name."""
    return f"{cause}.md" if language == "en" else f"{cause}.{language}.md"


# --- examples -------------------------------------------------------------------------------------


def read_samples(folder: Path = SAMPLES) -> Mapping[str, Sequence[str]]:
    """Cause -> the outputs in the samples that have it, with their platforms in front."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            output = f"{sample.get('stdout') or ''}\n{sample.get('stderr') or ''}"
            found.setdefault(sample["label"], []).append(output)
    return found


def examples(cause: Cause, outputs: Iterable[str]) -> tuple[str, ...]:
    """Lines that name the cause, each by another of its signatures, one from an output."""
    patterns = [
        compile_pattern(each.pattern)
        for each in cause.signatures
        if each.weight >= NAMED and each.kind == KIND_NAMES
    ]
    shown: list[str] = []
    for output in outputs:
        for line in output.splitlines():
            telling = next((each for each in patterns if each.search(line)), None)
            if telling is not None and line.isprintable() and "```" not in line:
                patterns.remove(telling)
                shown.append(line.strip()[:EXAMPLE_CHARACTERS_MAX])
                break
        if len(shown) == EXAMPLES_MAX:
            break
    return tuple(dict.fromkeys(shown))


# --- Markdown -------------------------------------------------------------------------------------


def markdown(page: Page, group: str, language: str) -> str:
    """A whole page."""
    other, other_name = _OTHER[language]
    index = name_of("README", language)
    head = [
        MADE,
        f"# {_escaped(page.title)}",
        f"`{page.cause}` · [{page.group}]({index}#{group}) · {page.platforms} · "
        f"[{other_name}]({name_of(page.cause, other)})",
    ]
    first, *rest = page.sections
    parts = [*head, *(_block(block, language) for block in first.blocks)]
    for section in rest:
        parts += [f"## {section.title}", *(_block(block, language) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, language: str) -> str:
    if isinstance(block, Heading):
        return f"### {_escaped(block.text)}"
    if isinstance(block, Paragraph):
        return _spans(block.spans, language)
    if isinstance(block, Lines):
        return "\n".join(["```text", *block.lines, "```"])
    return "\n".join(_bullets(block, language))


def _bullets(block: Bullets, language: str) -> Iterator[str]:
    for first, *rest in block.items:
        yield f"- {_spans(first, language)}"
        yield from (f"  - {_spans(spans, language)}" for spans in rest)


def _spans(spans: Spans, language: str) -> str:
    parts = []
    for span in spans:
        if isinstance(span, Ref):
            parts.append(f"[`{span.cause}`]({name_of(span.cause, language)})")
        elif isinstance(span, str):
            parts.append(f"<{span}>" if span.startswith("https://") else _escaped(span))
        else:
            parts.append(f"`{span.text}`")
    return "".join(parts)


def _escaped(text: str) -> str:
    """Prose in which nothing is taken for a sign of Markdown."""
    text = re.sub(r"([\\`*<\[\]|])", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return re.sub(r"^([#>+-]|\d+\.)", r"\\\1", text)


def index(catalogue: Catalogue, language: str) -> str:
    """The page that leads to all others, by group."""
    other, other_name = _OTHER[language]
    say = {key: text[language] for key, text in _INDEX.items()}
    explainer = Explainer(catalogue, {}, language)
    parts = [MADE, f"# {say['title']}", f"[{other_name}]({name_of('README', other)})", say["intro"]]
    for group in GROUPS:
        causes = [cause for cause in catalogue.causes.values() if cause.group == group]
        rows = [
            f"| {say['cause']} | {say['what']} | {say['platforms']} | {say['remedies']} |",
            "| --- | --- | --- | --- |",
        ]
        for cause in causes:
            remedies = ", ".join(f"`{remedy}`" for remedy in cause.remedies) or "-"
            link = f"[`{cause.id}`]({name_of(cause.id, language)})"
            where = explainer.platforms(platforms_of(cause))
            title = _escaped(cause.title[language])
            rows.append(f"| {link} | {title} | {where} | {remedies} |")
        if causes:
            title = words.GROUPS[group][language]
            parts += [f'<a id="{group}"></a>', f"## {title}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


# --- files ----------------------------------------------------------------------------------------


def make_pages(
    catalogue: Catalogue, remedies: Mapping[str, Remedy], samples: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """File name -> content of everything in docs/causes."""
    pages: dict[str, str] = {}
    for language in LANGUAGES:
        explainer = Explainer(catalogue, remedies, language)
        pages[name_of("README", language)] = index(catalogue, language)
        for cause in catalogue.causes.values():
            page = explainer.page(cause, examples(cause, samples.get(cause.id, ())))
            pages[name_of(cause.id, language)] = markdown(page, cause.group, language)
    return pages


def stale(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """The pages in the folder that are missing, not current, or of no cause."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write(wanted: Mapping[str, str], folder: Path) -> int:
    """Make the folder's pages the wanted ones; how many changed."""
    folder.mkdir(exist_ok=True)
    changed = stale(wanted, folder)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return len(changed)


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or say which are not current."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python docs/build.py [--check]", file=sys.stderr)
        return 2
    wanted = make_pages(load_files(DATA), load_remedies(), read_samples())
    if not arguments:
        print(f"docs/causes: {len(wanted)} pages, {write(wanted, PAGES)} changed")
        return 0
    names = stale(wanted, PAGES)
    for name in names:
        print(f"docs/causes/{name} is not current; run: make causes-docs", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
