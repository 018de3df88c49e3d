"""Cut a network's graph where one map passes.

Shape letters: S stages.

The graph is traced by `torch.fx` down to the modules that are cut at and no further, so blocks stay what they are, run
unmodified, and share their weights with the original. A cut is good where one map, and nothing else, passes from one
side to the other. The trace is right in training and in evaluation: `self.training` is looked up at each run.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import fx, nn

from lcnb.errors import LcnbError, first_line
from lcnb.models.fusing import forget_places

NOT_THEIRS = (os.path.dirname(torch.__file__) + os.sep, __file__, "<eval_with_key>")
"""How the names of files begin that hold no code of a network's author."""


class SplitError(LcnbError, ValueError):
    """A network cannot be cut there. The message says why, and what can be done."""


class _Tracer(fx.Tracer):
    """Looks into a module only if a cut lies inside; notes what each call of a module gives.

    Attributes:
        results: of each call, by the module's name.
        branches: the lines that go one way in training and another in evaluation.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.results: dict[str, list[Any]] = {name: [] for name in names}
        self.branches: list[str] = []
        self.modes: dict[fx.Node, bool] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(name.startswith(f"{module_qualified_name}.") for name in self.names)

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        self.results.setdefault(self.path_of_module(m), []).append(result)
        return result

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """One map is given, other arguments keep their defaults."""
        x = self.create_proxy("placeholder", "x", (), {})
        for name, module in self.root.named_modules():
            mode = self.create_proxy("get_attr", f"{name}.training".lstrip("."), (), {})
            self.modes[mode.node] = module.training
            module.__dict__["training"] = mode
        return root_fn, [self.root, x]

    def to_bool(self, obj: fx.Proxy) -> bool:
        if obj.node not in self.modes:
            return super().to_bool(obj)
        self.branches.append(_place(traceback.extract_stack()))
        return self.modes[obj.node]


def cut(model: nn.Module, names: Sequence[str]) -> Sequence[nn.Module]:
    """The S stages of a network, as modules that share its weights.

    Args:
        model, names: as for `split`.

    Raises:
        SplitError: a name is unknown or does not run exactly once, more than one map crosses a cut, or the way through
            the network depends on values, or on the mode.
    """
    known = [name for name, _ in model.named_modules() if name]
    for name in names:
        if name not in known:
            near = ", ".join(get_close_matches(name, known, 3, 0.4)) or ", ".join(known[:5])
            raise SplitError(f"the network has no module {name!r}; there are, for example, {near}")
    if not names:
        raise SplitError("split needs the name of the last module of each stage, got none")
    modes = {module: module.training for module in model.modules()}
    stages, branches = _traced(model, names, modes)
    if branches:
        others, _ = _traced(model, names, {module: not mode for module, mode in modes.items()})
        if [str(s.graph) for s in stages] != [str(s.graph) for s in others]:
            raise SplitError(
                f"the network goes another way in training than in evaluation{branches[0]}, and a trace goes one way; "
                "put that line into a module of its own, which is not looked into"
            )
    return stages


def _traced(
    model: nn.Module, names: Sequence[str], modes: dict[nn.Module, bool]
) -> tuple[list[fx.GraphModule], list[str]]:
    """The stages as they are in these modes, and the lines where the way depends on the mode."""
    tracer, before, kept = _Tracer(names), set(vars(model)), {module: module.training for module in modes}
    try:
        _set(modes)
        try:
            tracer.trace(model)
        except Exception:
            if not all(tracer.results[name] for name in names):
                raise
        _set(kept)  # and what is behind the last cut need not be traced
        graph = tracer.graph
        ends = [_node(name, tracer.results[name]) for name in names]
        for node in tracer.modes:
            if not node.users:
                graph.erase_node(node)
        forget_places(fx.GraphModule(model, graph))
        pairs = zip([None, *ends[:-1]], ends, strict=True)
        return [fx.GraphModule(model, _between(graph, a, b), "Stage") for a, b in pairs], tracer.branches
    except SplitError:
        raise
    except Exception as error:  # whatever foreign code does with a value that is none yet
        place = _place(traceback.extract_tb(error.__traceback__))
        raise SplitError(
            f"the network cannot be traced{place}: {first_line(error):.160} (a trace follows one map and "
            f"knows no values); {_way_out(model, names)}make the stages by hand and give them to "
            "lcnb.LayerCascade(stages, heads)"
        ) from error
    finally:
        _set(kept)
        for constant in set(vars(model)) - before:  # the tracer leaves them there
            delattr(model, constant)


def _set(modes: dict[nn.Module, bool]) -> None:
    for module, mode in modes.items():
        module.training = mode


def _place(frames: Iterable[traceback.FrameSummary]) -> str:
    """The innermost line of the network's own code, as part of a sentence."""
    theirs = [f for f in frames if not f.filename.startswith(NOT_THEIRS)]
    return f" at {theirs[-1].filename}:{theirs[-1].lineno}, `{theirs[-1].line}`" if theirs else ""


def _way_out(model: nn.Module, names: Sequence[str]) -> str:
    """What can be done before the last resort."""
    part = names[0].partition(".")[0]
    if getattr(model, "requires_divisible_input_shape", False):  # segmentation_models_pytorch
        return "set model.requires_divisible_input_shape = False, or cut model.encoder, or "
    if all(name.startswith(f"{part}.") for name in names):
        return f"cut model.{part} alone (names without '{part}.') if the line is not in it, or "
    return ""


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
    made = [n for n in needed if order[n] < order[start] and n.op != "get_attr"]
    around = [n for n in made if any(order[u] > order[start] for u in n.users)]
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
