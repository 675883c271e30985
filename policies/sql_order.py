"""Whether a SQL query gives its rows in one order only.

A table is scanned in the order in which it was filled. Joins, groups, DISTINCT, set operations and pivots give rows in
any order, and sorting may put rows with equal keys either way. So the order is fixed where nothing disturbs it, or
where the rows are sorted by everything that tells one from another.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["order_is_fixed"]


def order_is_fixed(statement: "exp.Expression") -> bool:
    """Whether the rows of every query in ``statement`` come in one order; false in doubt."""
    from sqlglot import exp

    if any(True for _ in statement.find_all(exp.SetOperation, exp.Pivot)):
        return _sorts_by_all(statement) and not _cuts_inside(statement)
    return all(_select_is_fixed(select) for select in statement.find_all(exp.Select))


def _select_is_fixed(select: "exp.Select") -> bool:
    from sqlglot import exp

    group = select.args.get("group")
    outer_aggregate = any(_is_aggregate(each) for each in select.expressions)
    if group is None and outer_aggregate:
        return True  # one row
    order = select.args.get("order")
    if order is None:
        disturbed = group is not None or select.args.get("distinct") is not None or bool(select.args.get("joins"))
        return not disturbed and next(select.find_all(exp.Window), None) is None
    if _sorts_by_all(select):
        return True
    keys = [ordered.this for ordered in order.expressions]
    if group is not None and group.expressions and not group.args.get("all"):
        return _covers(keys, group.expressions, select)
    return _covers(keys, select.expressions, select)


def _sorts_by_all(query: "exp.Expression") -> bool:
    """Whether it has ORDER BY ALL."""
    order = query.args.get("order")
    return order is not None and any(ordered.this.name.upper() == "ALL" for ordered in order.expressions)


def _cuts_inside(query: "exp.Expression") -> bool:
    """Whether a LIMIT below the top picks rows by an order that is not fixed."""
    from sqlglot import exp

    return any(limit.parent is not query for limit in query.find_all(exp.Limit))


def _covers(keys: "list[exp.Expression]", wanted: "list[exp.Expression]", select: "exp.Select") -> bool:
    """Whether the sort keys include all that is wanted: as written, by alias, or by position."""
    from sqlglot import exp

    known: set[exp.Expression] = set()
    for key in keys:
        known.add(key)
        if isinstance(key, exp.Literal) and not key.is_string and key.name.isdigit():
            known.update(select.expressions[int(key.name) - 1 : int(key.name)])
        known.update(each for each in select.expressions if isinstance(each, exp.Alias) and each.alias == key.name)
    known.update([each.this for each in known if isinstance(each, exp.Alias)])
    return all(_plain(each, select) in known or each in known for each in wanted)


def _plain(node: "exp.Expression", select: "exp.Select") -> "exp.Expression":
    """What a column stands for: without its alias, and by position where GROUP BY names one."""
    from sqlglot import exp

    if isinstance(node, exp.Alias):
        return node.this  # type: ignore[no-any-return]
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        at = select.expressions[int(node.name) - 1 : int(node.name)]
        return _plain(at[0], exp.Select()) if at else node
    return node


def _is_aggregate(node: "exp.Expression") -> bool:
    from sqlglot import exp

    return any(found.find_ancestor(exp.Window, exp.Subquery) is None for found in node.find_all(exp.AggFunc))
