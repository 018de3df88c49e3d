"""Cut a network's graph where one map passes.

Shape letters: S stages.

The graph is traced by `torch.fx` down to the modules that are cut at and no further, so blocks stay what they are, run
unmodified, and share their weights with the original. A cut is good where one map, and nothing else, passes from one
side to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from torch import fx, nn

from lcnb.errors import LcnbError


class SplitError(LcnbError, ValueError):
    """A network cannot be cut there. The message says why, and what can be done."""


class _Tracer(fx.Tracer):
    """Looks into a module only if a cut lies inside; notes what each call of a module gives."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.results: dict[str, list[Any]] = {name: [] for name in names}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(name.startswith(f"{module_qualified_name}.") for name in self.names)

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        self.results.setdefault(self.path_of_module(m), []).append(result)
        return result


def cut(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """The S stages of a network, as modules that share its weights.

    Args:
        model, names: as for `split`.

    Raises:
        SplitError: a name is unknown or does not run exactly once, or more than one map crosses a cut.
    """
    known = [name for name, _ in model.named_modules() if name]
    for name in names:
        if name not in known:
            near = ", ".join(get_close_matches(name, known, 3, 0.4)) or ", ".join(known[:5])
            raise SplitError(f"the network has no module {name!r}; there are, for example, {near}")
    if not names:
        raise SplitError("split needs the name of the last module of each stage, got none")
    tracer = _Tracer(names)
    try:
        graph = tracer.trace(model)
    except Exception as error:  # whatever foreign code does with a value that is none yet
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SplitError(
            f"the way through the network depends on values, so it cannot be traced ({line:.160}); make the stages by "
            "hand and give them to lcnb.LayerCascade(stages, heads)"
        ) from error
    ends = [_node(name, tracer.results[name]) for name in names]
    starts = [None, *ends[:-1]]
    return [fx.GraphModule(model, _between(graph, a, b), "Stage") for a, b in zip(starts, ends, strict=True)]


def _node(name: str, results: Sequence[Any]) -> fx.Node:
    if len(results) != 1:
        raise SplitError(f"{name!r} runs {len(results)} times in the network, so it marks no place to cut")
    if not isinstance(results[0], fx.Proxy):
        raise SplitError(f"{name!r} gives a {type(results[0]).__name__}, not one map; take another")
    return results[0].node


def _between(graph: fx.Graph, start: fx.Node | None, end: fx.Node) -> fx.Graph:
    """The part of the graph that leads from one node to another; from the network's input if `start` is None."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    if start is not None and order[start] >= order[end]:
        raise SplitError(f"{end.target!r} does not run behind {start.target!r}; names are in the order of running")
    needed, waiting = set(), [end]
    while waiting:
        node = waiting.pop()
        if node not in needed and node is not start:
            needed.add(node)
            waiting += node.all_input_nodes
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    if start is not None:
        copies[start] = part.placeholder("features")
        _refuse_bypass(needed, start, order)
    for node in graph.nodes:
        if node in needed:
            copies[node] = part.node_copy(node, lambda n: copies[n])
    part.output(copies[end])
    return part


def _refuse_bypass(needed: set[fx.Node], start: fx.Node, order: dict[fx.Node, int]) -> None:
    """A later stage gets the map of the cut and nothing else that comes of the network's input."""
    if not any(node.op == "placeholder" for node in needed):
        return  # what is used again, if anything, is made of weights alone
    around = [n for n in needed if order[n] < order[start] and any(order[u] > order[start] for u in n.users)]
    last = max(around, key=lambda n: order[n])
    what = (
        "the network's input"
        if last.op == "placeholder"
        else f"the result of {last.target if last.op == 'call_module' else last.name}"
    )
    raise SplitError(
        f"behind {start.target!r} more than one map is needed: {what} is used there too (a skip connection); cut where "
        "one map passes, such as between blocks"
    )
