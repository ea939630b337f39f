"""Runs PowerShell scripts, for exactly the part of the language that ours use.

Here: statements, expressions, scopes, output.  Not here: values (``values``), classes of .NET
(``dotnet``) and what a node answers (``node``).  Law: whatever is not known raises ``Unsupported``:
a construct, a variable that nothing set, a property that an object lacks.  Windows would go on with
``$null`` in the last two; for us they are mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from tests.powershell.syntax import Node, child, parse, problems
from tests.powershell.values import (
    Char,
    HashTable,
    NetError,
    Record,
    Thrown,
    TypeName,
    Unsupported,
    Value,
    equal,
    format_text,
    order,
    pattern,
    replacement,
    to_bool,
    to_integer,
    to_number,
    to_text,
)

STEPS_MAX = 3_000_000
"""Statements in one run: a loop that does not end is a mistake, not a reason to wait."""


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Return(Exception):
    pass


class Exit(Exception):
    """``exit`` or [Environment]::Exit: the process ends with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Killed(Exception):
    """The process is ended from outside, in the middle: nothing of the script runs any more."""


class Scope:
    """Variables and functions; what is not found here is looked for in the caller's."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.variables: dict[str, Value] = {}
        self.functions: dict[str, Node] = {}

    def find(self, name: str) -> Value:
        scope: Scope | None = self
        while scope:
            if name.casefold() in scope.variables:
                return scope.variables[name.casefold()]
            scope = scope.parent
        raise Unsupported(f"${name} was never set")

    def set(self, name: str, value: Value) -> None:
        if name.casefold() != "null":
            self.variables[name.casefold()] = value

    def function(self, name: str) -> Node | None:
        scope: Scope | None = self
        while scope:
            if name.casefold() in scope.functions:
                return scope.functions[name.casefold()]
            scope = scope.parent
        return None


@dataclass
class ScriptBlock:
    node: Node
    """The expression with its braces."""

    @property
    def source(self) -> str:
        """What ToString() gives: the text between the braces."""
        return self.node.text[1:-1]


@dataclass
class Reference:
    """``[ref]$x``: where a method puts its second answer."""

    scope: Scope
    name: str

    def put(self, value: Value) -> None:
        self.scope.set(self.name, value)


class Host(Protocol):
    """Everything outside the language."""

    def variable(self, name: str) -> Value: ...
    def environment(self, name: str) -> str | None: ...
    def cmdlet(
        self, name: str, arguments: CommandArguments, given: list[Value] | None, run: Runner
    ) -> list[Value]: ...
    def type_member(self, kind: TypeName, name: str) -> Value: ...
    def type_call(self, kind: TypeName, name: str, arguments: list[Value]) -> Value: ...
    def new(self, kind: str, arguments: list[Value]) -> Value: ...
    def get(self, thing: Value, name: str) -> Value: ...
    def put(self, thing: Value, name: str, value: Value) -> None: ...
    def call(self, thing: Value, name: str, arguments: list[Value]) -> Value: ...
    def cast(self, kind: TypeName, value: Value) -> Value: ...


@dataclass
class CommandArguments:
    """The arguments of one command: by name, in order, and which names stood alone."""

    named: dict[str, Value]
    positional: list[Value]

    def only(self, *names: str, positional: int = 0) -> None:
        """Refuses every parameter that the caller does not know."""
        allowed = {name.casefold() for name in names}
        for name in self.named:
            if name not in allowed:
                raise Unsupported(f"the parameter -{name}")
        if len(self.positional) > positional:
            raise Unsupported(f"{len(self.positional)} arguments without a name")

    def get(self, name: str, default: Value = None) -> Value:
        return self.named.get(name.casefold(), default)


Runner = Callable[[ScriptBlock, list[Value], Value], list[Value]]
"""Runs a block with arguments and ``$_``."""

SWITCHES = frozenset({"descending", "unique", "list", "force", "recurse", "leaf"})


def enumerate_value(value: Value) -> list[Value]:
    """What a pipeline makes of a value: lists come apart, everything else is one."""
    return list(value) if isinstance(value, list | bytearray) else [value]


def collect(output: list[Value]) -> Value:
    """What an assignment makes of output."""
    if not output:
        return None
    return output[0] if len(output) == 1 else list(output)


class Evaluator:
    """One run of a script against a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.scope = Scope()
        self.steps = 0
        self.output: list[Value] = []
        """What came out so far: it stands also when the script exits."""

    def run(self, script: str, arguments: list[Value] | None = None) -> list[Value]:
        root = parse(script)
        if found := problems(root):
            raise Unsupported(f"syntax: {found}")
        self.output = []
        with suppress(Return):
            self._script_body(root, arguments or [], self.output)
        return self.output

    def _script_body(self, node: Node, arguments: list[Value], output: list[Value]) -> None:
        """param(...), then statements, of a whole script or of a block."""
        for part in node.named:
            match part.type:
                case "param_block":
                    self._bind(child(part, "parameter_list"), arguments)
                case "statement_list":
                    self._statements(part, output)
                case "script_block" | "script_block_body":
                    self._script_body(part, arguments, output)
                case _:
                    raise Unsupported(f"{part.type} in a script")

    def invoke_block(
        self, block: ScriptBlock, arguments: list[Value], dollar: Value = None, *, own: bool = True
    ) -> list[Value]:
        """``& {...}`` has a scope of its own; the blocks of Where-Object and its like do not."""
        output: list[Value] = []
        outer = self.scope
        if own:
            self.scope = Scope(outer)
        else:
            self.scope.set("_", dollar)
        try:
            self._script_body(block.node, arguments, output)
        except Return:
            pass
        finally:
            self.scope = outer
        return output

    def _bind(self, parameters: Node | None, arguments: list[Value]) -> None:
        wanted = parameters.named if parameters else []
        if len(arguments) > len(wanted):
            raise Unsupported(f"{len(arguments)} arguments for {len(wanted)} parameters")
        for number, parameter in enumerate(wanted):
            variable = child(parameter, "variable")
            assert variable is not None
            default = child(parameter, "script_parameter_default")
            if number < len(arguments):
                value = arguments[number]
            else:
                value = self.value(default.named[0]) if default else None
            if attributes := child(parameter, "attribute_list"):
                (attribute,) = attributes.named
                kind = self._type(attribute.named[0])
                if value is not None or kind.is_one_of("string", "int", "long", "bool"):
                    value = self.host.cast(kind, value)
            self.scope.set(variable.text[1:], value)

    # --- statements -------------------------------------------------------------------------------

    def _statements(self, node: Node, output: list[Value]) -> None:
        for statement in node.named:
            self._statement(statement, output)

    def _block(self, node: Node, output: list[Value]) -> None:
        for part in node.named:
            if part.type != "statement_list":
                raise Unsupported(f"{part.type} in a block")
            self._statements(part, output)

    def _statement(self, node: Node, output: list[Value]) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Unsupported(f"more than {STEPS_MAX} statements")
        match node.type:
            case "pipeline" | "pipeline_chain":
                self._pipeline(node, output)
            case "if_statement":
                self._if(node, output)
            case "foreach_statement":
                self._foreach(node, output)
            case "while_statement":
                self._while(node, output)
            case "switch_statement":
                self._switch(node, output)
            case "try_statement":
                self._try(node, output)
            case "function_statement":
                name = child(node, "function_name")
                assert name is not None
                self.scope.functions[name.text.casefold()] = node
            case "flow_control_statement":
                self._flow(node, output)
            case "empty_statement":
                pass
            case _:
                raise Unsupported(f"the statement {node.type}")

    def _flow(self, node: Node, output: list[Value]) -> None:
        word = node.children[0].type.casefold()
        rest = node.children[1:]
        if word == "break" and not rest:
            raise Break
        if word == "continue" and not rest:
            raise Continue
        if word == "return":
            for part in rest:
                self._statement(part, output)
            raise Return
        if word == "exit":
            raise Exit(to_integer(self.value(rest[0])) if rest else 0)
        if word == "throw" and not rest:
            raise Thrown(self.scope.find("_").properties["Exception"])
        raise Unsupported(f"the statement {node.text[:40]}")

    def _if(self, node: Node, output: list[Value]) -> None:
        (condition,) = (c for c in node.named if c.type in ("pipeline", "pipeline_chain"))
        if to_bool(self.value(condition)):
            block = child(node, "statement_block")
            assert block is not None
            self._block(block, output)
            return
        if clauses := child(node, "elseif_clauses"):
            for clause in clauses.named:
                condition, block = clause.named
                if to_bool(self.value(condition)):
                    self._block(block, output)
                    return
        if other := child(node, "else_clause"):
            self._block(other.named[0], output)

    def _foreach(self, node: Node, output: list[Value]) -> None:
        variable, source, block = node.named
        items = self.value(source)
        # Since version 3, foreach over $null does nothing.
        for item in [] if items is None else enumerate_value(items):
            self.scope.set(variable.text[1:], item)
            try:
                self._block(block, output)
            except Break:
                break
            except Continue:
                continue

    def _while(self, node: Node, output: list[Value]) -> None:
        condition, block = node.named
        while to_bool(self.value(condition.named[0])):
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Unsupported(f"more than {STEPS_MAX} statements")
            try:
                self._block(block, output)
            except Break:
                break
            except Continue:
                continue

    def _switch(self, node: Node, output: list[Value]) -> None:
        condition, body = node.named
        subject = self.value(condition.named[0])
        if isinstance(subject, list):
            raise Unsupported("switch over a list")
        matched = False
        for clause in body.named[0].named:
            label, block = clause.named
            if label.text == "default":
                wanted = not matched
            else:
                wanted = equal(subject, self.value(label.named[0]))
            if wanted:
                matched = True
                try:
                    self._block(block, output)
                except Break:
                    return

    def _try(self, node: Node, output: list[Value]) -> None:
        block = child(node, "statement_block")
        clauses = child(node, "catch_clauses")
        last = child(node, "finally_clause")
        assert block is not None
        killed = False
        try:
            try:
                self._block(block, output)
            except Thrown as thrown:
                handler = self._handler(clauses, thrown.error) if clauses else None
                if handler is None:
                    raise
                record = Record("ErrorRecord", {"Exception": thrown.error})
                self.scope.set("_", record)
                self._block(handler, output)
        except Killed:
            killed = True
            raise
        finally:
            if last and not killed:
                self._block(last.named[0], output)

    def _handler(self, clauses: Node, error: NetError) -> Node | None:
        for clause in clauses.named:
            block = child(clause, "statement_block")
            kinds = child(clause, "catch_type_list")
            if kinds is None:
                return block
            for kind in kinds.named:
                inner: NetError | None = error
                while inner:
                    if inner.is_a(self._type(kind).name):
                        return block
                    inner = inner.inner
        return None

    # --- pipelines --------------------------------------------------------------------------------

    def _pipeline(self, node: Node, output: list[Value]) -> None:
        here = node.core
        if here.type == "assignment_expression":
            self._assign(here)
            return
        if here.type in ("pipeline", "pipeline_chain"):
            stages = [stage.core for stage in here.named]
            if any(c.type in ("&&", "||") for c in here.children):
                raise Unsupported("&& or ||")
            given = self._stage(stages[0], None)
            for stage in stages[1:]:
                given = self._stage(stage, given)
            output.extend(given)
            return
        output.extend(self._stage(here, None))

    def _stage(self, node: Node, given: list[Value] | None) -> list[Value]:
        if node.type == "command":
            return self._command(node, given)
        if given is not None:
            raise Unsupported("an expression in the middle of a pipeline")
        value = self._expression(node)
        return [] if value is NOTHING else enumerate_value(value)

    def value(self, node: Node) -> Value:
        """The value of an expression; output of commands and statements is collected."""
        here = node.core
        if here.type == "command":
            return collect(self._command(here, None))
        if here.type in ("pipeline", "pipeline_chain") or here.type.endswith("_statement"):
            output: list[Value] = []
            self._statement(here, output)
            return collect(output)
        value = self._expression(here)
        return None if value is NOTHING else value

    def _command(self, node: Node, given: list[Value] | None) -> list[Value]:
        if child(node, "command_invokation_operator"):
            if child(node, "command_elements") or given is not None:
                raise Unsupported("arguments for a block")
            expression = child(node, "command_name_expr")
            assert expression is not None
            block = self.value(expression.named[0])
            if node.children[0].text != "&" or not isinstance(block, ScriptBlock):
                raise Unsupported(f"the call {node.text[:40]}")
            return self.invoke_block(block, [])
        head = child(node, "command_name")
        if head is None:
            raise Unsupported(f"the command {node.text[:40]}")
        name = head.text
        arguments = self._arguments(child(node, "command_elements"))
        if function := self.scope.function(name):
            if given is not None or arguments.named:
                raise Unsupported(f"{name} with names of parameters, or in a pipeline")
            return self._call_function(function, arguments.positional)

        def run(block: ScriptBlock, values: list[Value], dollar: Value) -> list[Value]:
            return self.invoke_block(block, values, dollar, own=False)

        return self.host.cmdlet(name, arguments, given, run)

    def _call_function(self, node: Node, arguments: list[Value]) -> list[Value]:
        declared = child(node, "function_parameter_declaration")
        outer = self.scope
        self.scope = Scope(outer)
        output: list[Value] = []
        try:
            self._bind(child(declared, "parameter_list") if declared else None, arguments)
            block = child(node, "script_block")
            if block:
                self._script_body(block, [], output)
        except Return:
            pass
        finally:
            self.scope = outer
        return output

    def _arguments(self, elements: Node | None) -> CommandArguments:
        found: dict[str, Value] = {}
        positional: list[Value] = []
        pending: str | None = None
        for part in elements.named if elements else []:
            if part.type == "command_argument_sep":
                continue
            if part.type == "command_parameter":
                if pending:
                    raise Unsupported(f"-{pending} without a value")
                name = part.text[1:].casefold()
                if name in SWITCHES:
                    found[name] = True
                else:
                    pending = name
                continue
            if part.type == "argument_list":  # New-Object Type(a, b): one argument, a list
                if part.before != "generic_token":
                    raise Unsupported("a method call as an argument without brackets around it")
                value: Value = self._argument_values(part)
            elif part.type == "generic_token":
                value = part.text
            else:
                value = self.value(part)
            if pending:
                found[pending] = value
                pending = None
            else:
                positional.append(value)
        if pending:
            raise Unsupported(f"-{pending} without a value")
        return CommandArguments(found, positional)

    # --- assignment -------------------------------------------------------------------------------

    def _assign(self, node: Node) -> None:
        left, operator, right = node.named
        target = left.children[0].core
        sign = operator.text
        value = self.value(right)
        if sign == "+=":
            value = _add(self.value(target), value)
        elif sign != "=":
            raise Unsupported(f"the assignment {sign}")
        match target.type:
            case "variable":
                name = target.text[1:]
                if ":" in name or name.startswith("{"):
                    raise Unsupported(f"an assignment to ${name}")
                self.scope.set(name, value)
            case "member_access":
                thing, member = target.named
                self._put(self.value(thing), self._member_name(member), value)
            case "element_access":
                thing, index = target.named
                table = self.value(thing)
                if not isinstance(table, HashTable):
                    raise Unsupported("an assignment to an element of a list")
                table.set(self.value(index), value)
            case _:
                raise Unsupported(f"an assignment to {target.type}")

    def _put(self, thing: Value, name: str, value: Value) -> None:
        if isinstance(thing, HashTable):
            thing.set(name, value)
        else:
            self.host.put(thing, name, value)

    # --- expressions ------------------------------------------------------------------------------

    def _expression(self, node: Node) -> Value:
        kind = node.type.replace("_argument_expression", "_expression")
        handler: Callable[[Node], Value] | None = getattr(self, "_x_" + kind, None)
        if handler is None:
            raise Unsupported(f"the expression {node.type}: {node.text[:60]}")
        return handler(node)

    def _x_variable(self, node: Node) -> Value:
        return self._variable(node.text[1:])

    def _variable(self, name: str) -> Value:
        name = name.removeprefix("{").removesuffix("}")
        match name.casefold():
            case "true":
                return True
            case "false":
                return False
            case "null":
                return None
        if name.casefold().startswith("env:"):
            return self.host.environment(name[4:])
        try:
            return self.scope.find(name)
        except Unsupported:
            return self.host.variable(name)

    def _x_integer_literal(self, node: Node) -> Value:
        return int(node.text)

    def _x_real_literal(self, node: Node) -> Value:
        return float(node.text)

    def _x_string_literal(self, node: Node) -> Value:
        inner = node.children[0]
        if inner.type == "verbatim_string_characters":
            return inner.text[1:-1].replace("''", "'")
        if inner.type != "expandable_string_literal":
            raise Unsupported(inner.type)
        return self._expand(inner)

    def _expand(self, node: Node) -> str:
        """A string in double quotes, with its variables put in."""
        source = node.text.encode()
        made: list[str] = []
        at = 1
        for part in node.named:
            begin = part.start - node.start
            made.append(_unescape(source[at:begin].decode()))
            if part.type == "variable":
                made.append(to_text(self._variable(part.text[1:])))
            elif part.type == "sub_expression":
                output: list[Value] = []
                for inner in part.named:
                    self._statements(inner, output)
                made.append(" ".join(to_text(item) for item in output))
            else:
                raise Unsupported(f"{part.type} in a string")
            at = part.end - node.start
        made.append(_unescape(source[at:-1].decode()))
        return "".join(made)

    def _x_parenthesized_expression(self, node: Node) -> Value:
        return self.value(node.named[0])

    def _x_array_expression(self, node: Node) -> Value:
        output: list[Value] = []
        for part in node.named:
            self._statements(part, output)
        return output

    def _x_array_literal_expression(self, node: Node) -> Value:
        return [self.value(item) for item in node.named]

    def _x_hash_literal_expression(self, node: Node) -> Value:
        table = HashTable()
        body = child(node, "hash_literal_body")
        for entry in body.named if body else []:
            key, value = entry.named
            word = key.children[0].core
            name = word.text if word.type == "simple_name" else self.value(word)
            if name in table:
                raise Unsupported(f"the key {name} twice")
            table.set(name, self.value(value))
        return table

    def _x_script_block_expression(self, node: Node) -> Value:
        return ScriptBlock(node)

    def _x_type_literal(self, node: Node) -> Value:
        return self._type(node)

    def _type(self, node: Node) -> TypeName:
        return TypeName(node.text[1:-1])

    def _x_cast_expression(self, node: Node) -> Value:
        kind, operand = node.named
        name = self._type(kind)
        if name.is_one_of("ref"):
            variable = operand.core
            if variable.type != "variable":
                raise Unsupported("[ref] of what is no variable")
            self.scope.find(variable.text[1:])
            return Reference(self.scope, variable.text[1:])
        return self.host.cast(name, self.value(operand))

    def _x_expression_with_unary_operator(self, node: Node) -> Value:
        first = node.children[0]
        if first.type == "cast_expression":
            return self._x_cast_expression(first)
        value = self.value(node.children[1])
        match first.type.casefold():
            case "-not" | "!":
                return not to_bool(value)
            case "-":
                return -to_number(value)
        raise Unsupported(f"the operator {first.text}")

    def _x_logical_expression(self, node: Node) -> Value:
        left, operator, right = node.children
        first = to_bool(self.value(left))
        match operator.text.casefold():
            case "-and":
                return first and to_bool(self.value(right))
            case "-or":
                return first or to_bool(self.value(right))
        raise Unsupported(f"the operator {operator.text}")

    def _x_bitwise_expression(self, node: Node) -> Value:
        left, operator, right = node.children
        one, two = to_integer(self.value(left), 64), to_integer(self.value(right), 64)
        match operator.text.casefold():
            case "-band":
                return one & two
            case "-bor":
                return one | two
        raise Unsupported(f"the operator {operator.text}")

    def _x_additive_expression(self, node: Node) -> Value:
        left, operator, right = node.children
        one, two = self.value(left), self.value(right)
        return _add(one, two) if operator.text == "+" else _subtract(one, two)

    def _x_multiplicative_expression(self, node: Node) -> Value:
        left, operator, right = node.children
        one, two = self.value(left), self.value(right)
        if isinstance(one, str | list | None):
            raise Unsupported("multiplication of what is no number")
        one, two = to_number(one), to_number(two)
        if operator.text == "*":
            return one * two
        if operator.text == "/":
            exact = isinstance(one, int) and isinstance(two, int) and one % two == 0
            return one // two if exact else one / two
        raise Unsupported(f"the operator {operator.text}")

    def _x_format_expression(self, node: Node) -> Value:
        left, _, right = node.children
        value = self.value(right)
        return format_text(to_text(self.value(left)), value if isinstance(value, list) else [value])

    def _x_comparison_expression(self, node: Node) -> Value:
        if len(node.children) == 2:
            raise Unsupported(f"{node.text[:40]}")
        left, operator, right = node.children
        word = operator.text.casefold()
        handler = _COMPARISONS.get(word)
        if handler:
            return handler(self, self.value(left), self.value(right))
        raise Unsupported(f"the operator {word}")

    def compare_match(self, left: Value, right: Value, *, exact: bool = False) -> bool:
        if isinstance(left, list | bytearray):
            raise Unsupported("-match with a list on its left")
        found = pattern(right, exact=exact).search(to_text(left))
        if found:
            table = HashTable()
            for number in range(found.re.groups + 1):
                # A group that took no part is not in $Matches.
                if found[number] is not None:
                    table.set(number, found[number])
            self.scope.set("Matches", table)
        return found is not None

    # --- members ----------------------------------------------------------------------------------

    def _member_name(self, node: Node) -> str:
        inner = node.children[0]
        if inner.type == "simple_name":
            return inner.text
        if inner.type == "variable":
            return to_text(self.value(inner))
        raise Unsupported(f"the member {node.text[:40]}")

    def _x_member_access(self, node: Node) -> Value:
        thing, member = node.named
        static = any(c.type == "::" for c in node.children)
        target, name = self.value(thing), self._member_name(member)
        if static:
            if not isinstance(target, TypeName):
                raise Unsupported(":: after what is no type")
            return self.host.type_member(target, name)
        if isinstance(target, HashTable):
            if name in target:
                return target.get(name)
            match name.casefold():
                case "keys":
                    return target.names()
                case "count":
                    return len(target)
            # Windows says $null; here every table that is read by a name was given that name.
            raise Unsupported(f"a table without {name}")
        if isinstance(target, list) and name.casefold() in ("count", "length"):
            return len(target)
        # Since version 3, one thing has a count as well.
        if name.casefold() == "count" and (target is None or isinstance(target, str | int)):
            return 0 if target is None else 1
        return self.host.get(target, name)

    def _argument_values(self, node: Node) -> list[Value]:
        listed = child(node, "argument_expression_list")
        return [self.value(item) for item in listed.named] if listed else []

    def _x_invokation_expression(self, node: Node) -> Value:
        thing, member, arguments = node.named
        static = any(c.type == "::" for c in node.children)
        target, name = self.value(thing), self._member_name(member)
        values = self._argument_values(arguments)
        try:
            if static:
                if not isinstance(target, TypeName):
                    raise Unsupported(":: after what is no type")
                return self.host.type_call(target, name, values)
            if target is None:
                raise Thrown(
                    NetError(
                        "System.Management.Automation.RuntimeException",
                        "You cannot call a method on a null-valued expression.",
                    )
                )
            if isinstance(target, HashTable):
                return _call_table(target, name, values)
            if isinstance(target, ScriptBlock) and name.casefold() == "tostring":
                return target.source
            return self.host.call(target, name, values)
        except Thrown as thrown:
            if thrown.error.type.startswith("System.Management.Automation."):
                raise
            # What a method throws comes wrapped.
            text = f'Exception calling "{name}": {thrown.error.message}'
            kind = "System.Management.Automation.MethodInvocationException"
            raise Thrown(NetError(kind, text, thrown.error)) from thrown

    def _x_element_access(self, node: Node) -> Value:
        thing, index = node.named
        target, key = self.value(thing), self.value(index)
        if isinstance(target, HashTable):
            return target.get(key)
        if isinstance(target, list | bytearray):
            number = to_integer(key)
            inside = -len(target) <= number < len(target)
            return target[number] if inside else None
        if isinstance(target, str):
            return Char(target[to_integer(key)])
        if target is None:
            raise Thrown(
                NetError(
                    "System.Management.Automation.RuntimeException",
                    "Cannot index into a null array.",
                )
            )
        return self.host.call(target, "get_Item", [key])


class _Nothing:
    """What a method of type void gives."""


NOTHING = _Nothing()


def _call_table(table: HashTable, name: str, values: list[Value]) -> Value:
    match name.casefold(), values:
        case "containskey", [key]:
            return key in table
        case "remove", [key]:
            table.remove(key)
            return NOTHING
    raise Unsupported(f"the method {name} of a table")


def _add(left: Value, right: Value) -> Value:
    match left:
        case list():
            return left + (list(right) if isinstance(right, list) else [right])
        case None:
            return right
        case str():
            return str(left) + to_text(right)
        case bool():
            raise Unsupported("a sum with a boolean")
        case int() | float():
            return left + to_number(right)
        case datetime() if isinstance(right, timedelta):
            return left + right
    raise Unsupported(f"a sum that begins with {type(left).__name__}")


def _subtract(left: Value, right: Value) -> Value:
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left.replace(tzinfo=None) - right.replace(tzinfo=None)
    if isinstance(left, bool) or not isinstance(left, int | float):
        raise Unsupported(f"a difference that begins with {type(left).__name__}")
    return left - to_number(right)


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "`": "`", '"': '"', "$": "$"}


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[0] == '""':
            return '"'
        if found[1] not in _ESCAPES:
            raise Unsupported(f"the escape {found[0]}")
        return _ESCAPES[found[1]]

    return re.sub(r'`(.)|""', one, text, flags=re.S)


def _contains(items: Value, wanted: Value) -> bool:
    return any(equal(item, wanted) for item in (items if isinstance(items, list) else [items]))


def _split(text: Value, by: Value) -> list[str]:
    if isinstance(text, list):
        raise Unsupported("-split with a list on its left")
    compiled = pattern(by)
    if compiled.groups:
        raise Unsupported("-split with a group")
    return compiled.split(to_text(text))


def _replace(text: Value, arguments: Value) -> str:
    if isinstance(text, list) or not isinstance(arguments, list) or len(arguments) != 2:
        raise Unsupported("-replace in this form")
    return pattern(arguments[0]).sub(replacement(arguments[1]), to_text(text))


def _join(items: Value, by: Value) -> str:
    return to_text(by).join(to_text(i) for i in (items if isinstance(items, list) else [items]))


def _is(run: Evaluator, value: Value, kind: Value) -> bool:
    if not isinstance(kind, TypeName):
        raise Unsupported("-is with what is no type")
    if isinstance(value, NetError):
        return value.is_a(kind.name)
    if kind.is_one_of("string"):
        return isinstance(value, str) and not isinstance(value, Char)
    if kind.name.endswith("Exception"):
        return False
    raise Unsupported(f"-is [{kind.name}]")


_COMPARISONS: dict[str, Callable[[Evaluator, Any, Any], Value]] = {
    "-eq": lambda run, a, b: equal(a, b),
    "-ne": lambda run, a, b: not equal(a, b),
    "-gt": lambda run, a, b: order(a, b) > 0,
    "-ge": lambda run, a, b: order(a, b) >= 0,
    "-lt": lambda run, a, b: order(a, b) < 0,
    "-le": lambda run, a, b: order(a, b) <= 0,
    "-match": lambda run, a, b: run.compare_match(a, b),
    "-notmatch": lambda run, a, b: not run.compare_match(a, b),
    "-cnotmatch": lambda run, a, b: not run.compare_match(a, b, exact=True),
    "-contains": lambda run, a, b: _contains(a, b),
    "-notcontains": lambda run, a, b: not _contains(a, b),
    "-split": lambda run, a, b: _split(a, b),
    "-replace": lambda run, a, b: _replace(a, b),
    "-join": lambda run, a, b: _join(a, b),
    "-is": _is,
    "-isnot": lambda run, a, b: not _is(run, a, b),
}
