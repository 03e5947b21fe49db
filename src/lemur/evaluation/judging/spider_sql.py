"""Reads SQL as Spider's official evaluator does (process_sql.py, Zhong et al. 2020), for exact set match and hardness.

It reads Spider's subset of SQL and nothing else: no LEFT JOIN, no alias of a column, no IS NULL; spaces around `=` are
needed, every LIMIT is the same, and what follows a complete query is ignored. A query that it cannot read matches none.
"""

import re
from dataclasses import dataclass, replace
from typing import Union

from lemur.benchmark_items.spider import Catalogue

CLAUSES = ("select", "from", "where", "group", "order", "limit", "intersect", "union", "except")
COMPOUNDS = ("intersect", "union", "except")
OPERATORS = ("not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists")
ARITHMETIC = ("none", "-", "+", "*", "/")
AGGREGATES = ("none", "max", "min", "count", "sum", "avg")


@dataclass(frozen=True)
class Column:
    """`name`: table.column, or *."""

    aggregate: str
    name: str
    distinct: bool


@dataclass(frozen=True)
class Expression:
    operator: str
    left: Column
    right: Column | None


@dataclass(frozen=True)
class Condition:
    negated: bool
    operator: str
    expression: Expression
    low: Union["Value", None]
    high: Union["Value", None]


@dataclass(frozen=True)
class Select:
    """`on`, `where`, `having`: conditions with the words between them. `items`: aggregate and expression. `tables`:
    names and subqueries. `order`: direction and expressions. `compound`: INTERSECT, UNION or EXCEPT and its query."""

    distinct: bool
    items: tuple[tuple[str, Expression], ...]
    tables: tuple[Union[str, "Select"], ...]
    on: tuple[Condition | str, ...]
    where: tuple[Condition | str, ...]
    group: tuple[Column, ...]
    having: tuple[Condition | str, ...]
    order: tuple[str, tuple[Expression, ...]] | None
    limit: bool
    compound: tuple[str, "Select"] | None

    def subqueries(self) -> list["Select"]:
        """Of the conditions, and the compound's; not those in FROM."""
        values = [value for each in self.conditions() for value in (each.low, each.high)]
        queries = [value for value in values if isinstance(value, Select)]
        return queries if self.compound is None else [*queries, self.compound[1]]

    def conditions(self) -> list[Condition]:
        parts = [*self.on[::2], *self.where[::2], *self.having[::2]]
        return [part for part in parts if isinstance(part, Condition)]

    def connectors(self) -> list[Condition | str]:
        return [*self.on[1::2], *self.where[1::2], *self.having[1::2]]


Value = float | str | Column | Select


def parse(query: str, catalogue: Catalogue) -> Select:
    """Raises `ValueError` if the official evaluator could not read `query`."""
    tokens = tokenise(query)
    try:
        tables = {tokens[index + 1]: tokens[index - 1] for index, token in enumerate(tokens) if token == "as"}
        if clash := set(tables) & set(catalogue.tables):
            raise ValueError(f"the alias {clash.pop()} is the name of a table")
        return _Parser(tokens, tables | {name: name for name in catalogue.tables}, catalogue).select()
    except (LookupError, RecursionError) as error:
        raise ValueError(f"no query of Spider's kind: {type(error).__name__} {error}") from None


def tokenise(query: str) -> list[str]:
    """Words as NLTK's word_tokenize divides them, but quoted values whole; all but those in lower case."""
    pieces = query.replace("'", '"').split('"')
    if len(pieces) % 2 == 0:
        raise ValueError("a quotation mark without its partner")
    values = [f'"{piece}"' for piece in pieces[1::2]]
    text = "".join(
        piece + (f"__val_{index}__" if index < len(values) else "") for index, piece in enumerate(pieces[::2])
    )
    text = re.sub(
        r"[:,](?!\d)|[;@#$%&?!*()\[\]{}<>\u00ab\u00bb\u2018-\u201e\u2012-\u2015]|`+|\.{2,}|--", r" \g<0> ", text
    )
    text = re.sub(r"(?<=[^.])\.(?=[\])}>\s]*$)", " . ", text)
    names = {f"__val_{index}__": value for index, value in enumerate(values)}
    tokens: list[str] = []
    for word in text.lower().split():
        if word == "=" and tokens and tokens[-1] in ("!", ">", "<"):
            tokens[-1] += "="
        else:
            tokens.append(names.get(word, word))
    return tokens


@dataclass
class _Parser:
    """`tables`: tables by name and alias. Reading on beyond the last token raises `IndexError`."""

    tokens: list[str]
    tables: dict[str, str]
    catalogue: Catalogue
    at: int = 0
    scope: tuple[str, ...] = ()
    """Tables of the query's FROM."""

    @property
    def next(self) -> str:
        return self.tokens[self.at]

    @property
    def more(self) -> bool:
        return self.at < len(self.tokens)

    def take(self, *words: str) -> bool:
        if self.more and self.next in words:
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise ValueError(f"{word!r} is missing at token {self.at}")

    def ends(self, *words: str) -> bool:
        return self.more and self.next in (*CLAUSES, ")", ";", *words)

    def select(self) -> Select:
        outer, self.scope = self.scope, ()
        start = self.at
        block = self.take("(")
        first = self.at
        self.at = self.tokens.index("from", start) + 1
        tables, on = self.sources()
        after, self.at = self.at, first
        self.expect("select")
        distinct, items = self.take("distinct"), []
        while self.more and self.next not in CLAUSES:
            aggregate = self.aggregate()
            items.append((aggregate, self.expression()))
            self.take(",")
        self.at = after
        where = self.conditions() if self.take("where") else ()
        group: list[Column] = []
        if self.take("group"):
            self.expect("by")
            while self.more and not self.ends():
                group.append(self.column())
                if not self.take(","):
                    break
        having = self.conditions() if self.take("having") else ()
        order = self.order() if self.take("order") else None
        limit = self.take("limit")
        if limit:
            self.tokens[self.at]  # the number, whatever it is
            self.at += 1
        self.skip_semicolons()
        if block:
            self.expect(")")
        self.skip_semicolons()
        compound = None
        if self.more and self.next in COMPOUNDS:
            operator = self.next
            self.at += 1
            compound = operator, self.select()
        self.scope = outer
        return Select(distinct, tuple(items), tables, on, where, tuple(group), having, order, limit, compound)

    def skip_semicolons(self) -> None:
        while self.take(";"):
            pass

    def sources(self) -> tuple[tuple[str | Select, ...], tuple[Condition | str, ...]]:
        """Tables of FROM and the conditions of their joins. Their names make up `scope`."""
        tables: list[str | Select] = []
        on: list[Condition | str] = []
        while self.more:
            block = self.take("(")
            if self.next == "select":
                tables.append(self.select())
            else:
                self.take("join")
                name = self.tables[self.next]
                self.at += 1
                if self.take("as"):
                    self.at += 1
                if name not in self.catalogue.tables:
                    raise ValueError(f"no table {name}")
                tables.append(name)
                self.scope = (*self.scope, name)
            if self.take("on"):
                on += [*(["and"] if on else []), *self.conditions()]
            if block:
                self.expect(")")
            if self.ends():
                break
        return tuple(tables), tuple(on)

    def order(self) -> tuple[str, tuple[Expression, ...]]:
        self.expect("by")
        direction, expressions = "asc", []
        while self.more and not self.ends():
            expressions.append(self.expression())
            if self.more and self.next in ("asc", "desc"):  # the last direction holds for all
                direction = self.next
                self.at += 1
            if not self.take(","):
                break
        return direction, tuple(expressions)

    def conditions(self) -> tuple[Condition | str, ...]:
        parts: list[Condition | str] = []
        while self.more:
            expression, negated = self.expression(), self.take("not")
            operator = self.next
            if operator not in OPERATORS:
                raise ValueError(f"no operator: {operator}")
            self.at += 1
            low, high = self.value(), None
            if operator == "between":
                self.expect("and")
                high = self.value()
            parts.append(Condition(negated, operator, expression, low, high))
            if self.ends("join", "on", "as"):
                break
            if self.more and self.next in ("and", "or"):
                parts.append(self.next)
                self.at += 1
        return tuple(parts)

    def value(self) -> Value:
        start = self.at
        block = self.take("(")
        value: Value
        if self.next == "select":
            value = self.select()
        elif '"' in self.next:
            value = self.next
            self.at += 1
        else:
            try:
                value = float(self.next)
                self.at += 1
            except ValueError:
                while self.more and self.next not in (",", ")", "and", "join", "on", "as", *CLAUSES):
                    self.at += 1
                value = replace(self, tokens=self.tokens[start : self.at], at=0).column()
        if block:
            self.expect(")")
        return value

    def aggregate(self) -> str:
        name = self.next
        return name if self.take(*AGGREGATES) else "none"

    def expression(self) -> Expression:
        block = self.take("(")
        left, operator, right = self.column(), "none", None
        if self.more and self.next in ARITHMETIC:
            operator = self.next
            self.at += 1
            right = self.column()
        if block:
            self.expect(")")
        return Expression(operator, left, right)

    def column(self) -> Column:
        block = self.take("(")
        if self.next in AGGREGATES:
            aggregate = self.aggregate()
            self.expect("(")
            column = Column(aggregate, distinct=self.take("distinct"), name=self.name())
            self.expect(")")
            return column  # a bracket around it stays open, as in the official evaluator
        column = Column("none", distinct=self.take("distinct"), name=self.name())
        if block:
            self.expect(")")
        return column

    def name(self) -> str:
        word = self.next
        self.at += 1
        if word == "*":
            return word
        if "." in word:
            alias, column = word.split(".")
            tables: tuple[str, ...] = (self.tables[alias],)
        else:
            column, tables = word, self.scope
        for table in tables:
            if column in self.catalogue.tables[table]:
                return f"{table}.{column}"
        raise ValueError(f"no column {word}")
