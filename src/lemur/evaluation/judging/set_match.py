"""Spider's exact set match and hardness, by the rules of the official evaluator (evaluation.py of Yu et al. 2018 and
Zhong et al. 2020): clauses are compared as sets; values, DISTINCT and which of two joined key columns is named do not
count. Subqueries in a condition are compared to the letter, but for their values."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from lemur.benchmark_items.spider import Catalogue
from lemur.evaluation.judging.spider_sql import Column, Condition, Expression, Select, parse

LEVELS = ("easy", "medium", "hard", "extra")


def exact_set_match(gold: str, predicted: str, catalogue: Catalogue) -> bool | None:
    """`None` if the gold query cannot be read."""
    try:
        target = parse(gold, catalogue)
    except ValueError:
        return None
    try:
        # The official evaluator takes the word `value` for a value that the model did not write.
        answer = parse(predicted.replace(" value ", " 1 "), catalogue)
    except ValueError:
        return False
    return _matches(*(_comparable(_without_values(query), query, catalogue) for query in (answer, target)))


def hardness(gold: str, catalogue: Catalogue) -> str | None:
    """One of `LEVELS`, or `None` if the query cannot be read."""
    try:
        query = parse(gold, catalogue)
    except ValueError:
        return None
    conditions, connectors = query.conditions(), query.connectors()
    clauses = sum(map(bool, (query.where, query.group, query.order, query.limit))) + max(len(query.tables) - 1, 0)
    clauses += connectors.count("or") + sum(condition.operator == "like" for condition in conditions)
    nested = len(query.subqueries())
    ordered = [
        column for each in (query.order[1] if query.order else ()) for column in (each.left, each.right) if column
    ]
    aggregates = sum(aggregate != "none" for aggregate, _ in query.items)
    aggregates += sum(column.aggregate != "none" for column in (*query.group, *ordered))
    # The official evaluator also counts NOT and, in HAVING, the words between conditions.
    aggregates += sum(part.negated for part in (*query.where[::2], *query.having) if isinstance(part, Condition))
    aggregates += sum(isinstance(part, str) for part in query.having)
    others = sum((aggregates > 1, len(query.items) > 1, len(query.where) > 1, len(query.group) > 1))
    if nested:
        return "hard" if nested == 1 and clauses <= 1 and others == 0 else "extra"
    if clauses <= 1 and others == 0:
        return "easy"
    if (clauses <= 1 and others <= 2) or (clauses <= 2 and others < 2):
        return "medium"
    if (clauses <= 2 and others > 2) or (clauses == 3 and others <= 2):
        return "hard"
    return "extra"


def _matches(answer: Select, gold: Select) -> bool:
    same_group = [column.name for column in answer.group] == [column.name for column in gold.group]
    return (
        _same(answer.items, gold.items)
        and _same(answer.where[::2], gold.where[::2])
        and _same(_names(answer.group), _names(gold.group))
        and (not gold.group or (same_group and answer.having == gold.having))
        and answer.order == gold.order
        and (not gold.order or answer.limit == gold.limit)
        and set(answer.where[1::2]) == set(gold.where[1::2])
        and _keywords(answer) == _keywords(gold)
        and _same(answer.tables, gold.tables)
        and _same_compound(answer.compound, gold.compound)
    )


def _same_compound(answer: tuple[str, Select] | None, gold: tuple[str, Select] | None) -> bool:
    if answer is None or gold is None:
        return answer is gold
    return answer[0] == gold[0] and _matches(answer[1], gold[1])


def _same(answer: Iterable[object], gold: Iterable[object]) -> bool:
    return Counter(answer) == Counter(gold)


def _names(columns: tuple[Column, ...]) -> list[str]:
    return [column.name.rpartition(".")[2] for column in columns]


def _keywords(query: Select) -> set[str]:
    clauses = {"where": query.where, "group": query.group, "having": query.having, "limit": query.limit}
    words = {name for name, clause in clauses.items() if clause}
    if query.order:
        words |= {"order", query.order[0]}
    if query.compound:
        words.add(query.compound[0])
    if "or" in query.connectors():
        words.add("or")
    for condition in query.conditions():
        words |= {"not"} if condition.negated else set()
        words |= {condition.operator} & {"in", "like"}
    return words


def _without_values(query: Select) -> Select:
    """`query` with only the subqueries among the values of its conditions; those in FROM keep theirs."""

    def stripped(parts: tuple[Condition | str, ...]) -> tuple[Condition | str, ...]:
        return tuple(
            part
            if isinstance(part, str)
            else replace(
                part,
                low=_without_values(part.low) if isinstance(part.low, Select) else None,
                high=_without_values(part.high) if isinstance(part.high, Select) else None,
            )
            for part in parts
        )

    compound = query.compound and (query.compound[0], _without_values(query.compound[1]))
    on, where, having = map(stripped, (query.on, query.where, query.having))
    return replace(query, on=on, where=where, having=having, compound=compound)


def _comparable(query: Select, outermost: Select, catalogue: Catalogue) -> Select:
    """`query` without DISTINCT and with one name for columns that a foreign key joins, if they are of the outermost
    query's tables. Subqueries in conditions and in FROM stay as they are."""

    def column(each: Column) -> Column:
        known = each.name.partition(".")[0] in outermost.tables
        return Column(each.aggregate, catalogue.keys.get(each.name, each.name) if known else each.name, False)

    def expression(each: Expression) -> Expression:
        return Expression(each.operator, column(each.left), each.right and column(each.right))

    def conditions(parts: tuple[Condition | str, ...]) -> tuple[Condition | str, ...]:
        return tuple(
            part if isinstance(part, str) else replace(part, expression=expression(part.expression)) for part in parts
        )

    on, where, having = map(conditions, (query.on, query.where, query.having))
    return replace(
        query,
        distinct=False,
        items=tuple((aggregate, expression(each)) for aggregate, each in query.items),
        on=on,
        where=where,
        group=tuple(map(column, query.group)),
        having=having,
        order=query.order and (query.order[0], tuple(map(expression, query.order[1]))),
        compound=query.compound and (query.compound[0], _comparable(query.compound[1], outermost, catalogue)),
    )
