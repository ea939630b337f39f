"""PowerShell's syntax tree, from tree-sitter's grammar.

Here: parsing, problems of a tree, short names for its nodes.  Not here: rules about what a script
may use (``test_syntax``) or what it means (``evaluator``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import tree_sitter
import tree_sitter_powershell


class Node:
    """A node of the tree, in plain Python: the scripts are read again and again."""

    __slots__ = (
        *("type", "text", "children", "named", "is_named", "broken"),
        *("line", "start", "end", "before", "core"),
    )

    def __init__(self, made: tree_sitter.Node, before: str) -> None:
        assert made.text is not None
        self.type = made.type
        self.text = made.text.decode()
        self.is_named = made.is_named
        self.broken = made.is_error or made.is_missing
        self.line = made.start_point[0] + 1
        self.start, self.end = made.start_byte, made.end_byte
        self.before = before
        """The kind of the node to the left."""
        self.children: list[Node] = []
        kind = ""
        for child in made.children:
            self.children.append(Node(child, kind))
            kind = child.type
        self.named = [c for c in self.children if c.is_named and c.type != "comment"]
        # Below the levels of precedence that hold nothing but one node.
        alone = self.type in CHAIN and len(self.children) == 1
        self.core: Node = self.children[0].core if alone else self


CHAIN = frozenset(
    f"{level}_{kind}"
    for level in (
        *("logical", "bitwise", "comparison", "additive", "multiplicative"),
        *("format", "range", "array_literal", "unary"),
    )
    for kind in ("expression", "argument_expression")
) | {"pipeline", "pipeline_chain", "argument_expression"}
"""Nodes that mean their only child when they have one."""


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


@cache
def parse(script: str) -> Node:
    """The tree of a whole script, problems included."""
    return Node(_parser().parse(script.encode()).root_node, "")


def everything(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(here.children))


@cache
def problems(node: Node) -> tuple[str, ...]:
    """What the grammar could not read, with the line."""
    return tuple(
        f"line {found.line}: {found.text[:60]!r}" for found in everything(node) if found.broken
    )


def child(node: Node, kind: str) -> Node | None:
    for found in node.children:
        if found.type == kind:
            return found
    return None
