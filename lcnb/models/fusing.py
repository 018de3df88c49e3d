"""From modules to programs on packed rows: a stage is traced, its norms are folded, what is left becomes jobs.

Shape letters: B images, C channels, h, w the grid, N active cells.

`torch.fx` follows a stage down to convolutions, norms and functions. Where everything behind a point keeps the grid and
can run on regions, it becomes jobs (`lcnb.regions.rows`); what comes before (strides, resizing) stays a dense network:
the stem. A convolution takes the activation, the scale and the sum behind it along, concatenated results are written
side by side, and 1x1 convolutions of one input become one job. What has no job of its own runs as it is.
"""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lcnb.models.folding import foldable
from lcnb.models.irnet import DilatedPool
from lcnb.regions import Region, RegionTensor
from lcnb.regions.depthwise import DepthwiseConv
from lcnb.regions.rows import AsIs, Convolution, Copy, Job, MaxPool, Program, Slot, Value

ADDITIONS = {torch.add, operator.add, operator.iadd, "add", "add_"}
PRODUCTS = {torch.mul, operator.mul, operator.imul, "mul", "mul_"}
JOINS = {torch.cat, torch.concat}
NOTHING = (nn.Dropout, nn.Dropout2d, nn.Identity)
NO_FUNCTIONS = {F.dropout, F.dropout2d, "contiguous"}
AFTER: dict[Any, str] = {
    nn.ReLU: "relu", nn.ReLU6: "relu6", F.relu: "relu", F.relu_: "relu", torch.relu: "relu", torch.relu_: "relu",
    F.relu6: "relu6", "relu": "relu", "relu_": "relu",
}  # fmt: skip


class FusionError(TypeError):
    """A module that cannot be prepared for inference."""


class _Tracer(fx.Tracer):
    """Down to the modules that have a job, torch's own, and those that cannot be followed."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, (nn.Conv2d, nn.MaxPool2d, nn.modules.batchnorm._BatchNorm, *NOTHING)):
            return True
        if isinstance(m, (nn.Sequential, fx.GraphModule)):
            return False
        return super().is_leaf_module(m, module_qualified_name) or not _can_be_followed(m)


def _can_be_followed(module: nn.Module) -> bool:
    try:
        _Tracer().trace(module)
    except Exception:  # whatever a forward raises when it meets a proxy
        return False
    return True


def traced(module: nn.Module) -> fx.GraphModule:
    """A copy for inference as a graph: norms folded where a convolution comes right before, dropout gone."""
    copied = copy.deepcopy(module).eval().requires_grad_(False)
    root = nn.Sequential(copied) if _Tracer().is_leaf_module(copied, "") else copied
    graph = fx.GraphModule(root, _Tracer().trace(root))
    forget_places(graph)
    for node in list(graph.graph.nodes):
        if node.op == "call_module":
            _fold(graph, node)
        elif node.op in ("call_function", "call_method") and node.target in NO_FUNCTIONS and node.args:
            _drop(node)
    graph.graph.lint()
    graph.recompile()
    return graph


def _module(node: fx.Node) -> Any:
    """What a node calls; None where it calls no module."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    return node.graph.owning_module.get_submodule(str(node.target))  # type: ignore[union-attr]


def _drop(node: fx.Node) -> None:
    node.replace_all_uses_with(cast(fx.Node, node.args[0]))
    node.graph.erase_node(node)


def forget_places(graph: fx.GraphModule) -> None:
    """What follows a call in place sees its result; as values are never shared, the place does not matter."""
    seen: dict[fx.Node, int] = {node: i for i, node in enumerate(graph.graph.nodes)}
    for node in graph.graph.nodes:
        module = _module(node)
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        in_place = node.op != "call_module" and (name.endswith("_") or name in ("iadd", "imul", "isub", "itruediv"))
        if getattr(module, "inplace", False) or in_place or node.kwargs.get("inplace"):
            changed = node.args[0]
            for user in list(changed.users) if isinstance(changed, fx.Node) else ():
                if seen[user] > seen[node]:
                    user.replace_input_with(changed, node)


def _fold(graph: fx.GraphModule, node: fx.Node) -> None:
    """A batch-norm into the convolution before it; timm's norms bring their activation along."""
    module = _module(node)
    if isinstance(module, NOTHING):
        _drop(node)
    if not isinstance(module, nn.BatchNorm2d):
        return
    before = cast(fx.Node, node.args[0])
    conv, calls = _module(before), [n.target for n in graph.graph.nodes if n.op == "call_module"]
    once = calls.count(before.target) == calls.count(node.target) == 1
    if not foldable(conv) or len(before.users) > 1 or not once or module.running_mean is None:
        return
    parent, _, name = str(before.target).rpartition(".")
    setattr(graph.get_submodule(parent), name, fuse_conv_bn_eval(conv, module).requires_grad_(False))
    activation = getattr(module, "act", None)
    if activation is None or isinstance(activation, nn.Identity):
        _drop(node)
    else:
        node.target = f"{node.target}.act"


@dataclass(frozen=True)
class Seen:
    """What a node gave for an example.

    Attributes:
        shape: of a tensor (B, C, h, w); else None.
        on_regions: whether it can be computed on a region.
    """

    shape: tuple[int, ...] | None
    on_regions: bool


class _Looker(fx.Interpreter):
    """Runs a graph on an example and notes what each node gives."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.seen, self.results = dict[fx.Node, Seen](), dict[fx.Node, Any]()
        self.packed = dict[fx.Node, Any]()  # what it gave on a region
        self.fixed = set[fx.Node]()  # made of weights alone

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        shape = tuple(found.shape) if isinstance(found, Tensor) and found.dim() == 4 else None
        self.results[n] = found
        if n.op == "get_attr" or (n.all_input_nodes and self.fixed.issuperset(n.all_input_nodes)):
            self.packed[n], self.seen[n] = found, Seen(None, True)
            self.fixed.add(n)
        else:
            runs = self._runs(n, shape)
            last = getattr(self.packed[n], "axis", 1) == 3  # then its columns are no map's
            self.seen[n] = Seen(None if last else shape, runs)
        return found

    def _runs(self, n: fx.Node, shape: tuple[int, ...] | None) -> bool:
        """Tried: a job does what its module does, and anything else shows whether it can."""
        self.packed[n] = fx.node.map_aggregate(self.results[n], _as_region)
        if n.op in ("placeholder", "output"):
            return True
        args, kwargs = (fx.node.map_arg(given, self.packed.__getitem__) for given in (n.args, n.kwargs))
        try:
            found = getattr(self, n.op)(n.target, args, kwargs)
        except Exception:  # it says why where it is run as it is
            return False
        self.packed[n] = found
        return shape is None or (isinstance(found, RegionTensor) and tuple(found.shape) == shape)


def _as_region(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dim() == 4:
        batch, _, height, width = value.shape
        if height * width > 1:
            return RegionTensor.from_dense(value, Region.full(batch, height, width, value.device))
    return value


@dataclass
class _Step:
    """What becomes a job: the node that it gives, what it reads."""

    node: fx.Node
    kind: str
    source: fx.Node | None = None
    add: fx.Node | None = None
    after: str | None = None
    scale: float = 1.0
    conv: nn.Conv2d | None = None
    also: list[_Step] = field(default_factory=list)  # other 1x1 convolutions of the same source

    def reads(self) -> list[fx.Node]:
        if self.kind == "conv":
            return [n for n in (self.source, self.add) if n is not None]
        return list(self.node.all_input_nodes)


class Fused:
    """A stage or classifier as a dense stem and a program.

    Args:
        module: in any mode; its weights are copied.
        example: (1, C, h, w) of what it takes, on its device, float32.
        dtype: of weights and features.
        name: of the buffers; two programs of one name share memory, and so may not need each other's results.
        first: whether it takes images, so that a stem may come before the rows.
        keeps: whether the rows that it is given must stay as they are.

    Attributes:
        stem: images to the maps that the program begins with; None where it begins with its input.
        result: (1, O, h, w): what it gives for the example.

    Raises:
        FusionError: a part of a later stage cannot run on regions.
    """

    def __init__(
        self, module: nn.Module, example: Tensor, dtype: torch.dtype, name: str, first: bool = False,
        keeps: bool = False,
    ) -> None:  # fmt: skip
        self.graph, self.name, self.dtype, self.keeps = traced(module), name, dtype, keeps
        looker = _Looker(self.graph)
        with torch.no_grad():
            self.result: Tensor = looker.run(example)
        self.seen = looker.seen
        nodes = list(self.graph.graph.nodes)
        self.output = cast(fx.Node, nodes[-1].args[0])
        dense = self._dense(nodes, first, example)
        borders = [n for n in nodes if n in dense and any(u not in dense for u in n.users)]
        if self.output in dense:
            borders = [self.output]
        if wrong := next((n for n in borders if self.seen[n].shape is None), None):
            raise FusionError(f"{wrong.name} is used on a region and is no map (B, C, h, w); run the cascade as it is")
        self.inputs = borders if first else [n for n in nodes if n.op == "placeholder"]
        self.graph.to(dtype).to(memory_format=torch.channels_last)
        self.stem = self._stem(nodes, dense, borders) if first else None
        steps = self._steps([n for n in nodes if n not in dense and n not in self.inputs and n.op != "output"])
        self.program = self._program(_joined(steps))

    def _dense(self, nodes: Sequence[fx.Node], first: bool, example: Tensor) -> set[fx.Node]:
        """The nodes of the stem: all that leads to something that has to be dense."""
        grid = tuple((self.result if first else example).shape[2:])
        fits = {n: self.seen[n].on_regions and (self.seen[n].shape or grid)[-2:] == grid for n in nodes[:-1]}
        if not first:
            if wrong := next((n for n in nodes[:-1] if not fits[n]), None):
                title = type(_module(wrong)).__name__ if wrong.op == "call_module" else wrong.target
                raise FusionError(f"{wrong.name} ({title}) cannot run on a region; run the cascade as it is")
            return set()
        dense: set[fx.Node] = set()
        for node in reversed(nodes[:-1]):
            if not fits[node] or any(user in dense for user in node.users):
                dense.add(node)
        for node in nodes[:-1] if dense else ():  # what has no job of its own, right behind the stem, belongs to it
            ours = _is_plain_convolution(node) or _is_plain_pool(node)
            inputs = set(node.all_input_nodes)
            if inputs & dense and all(n in dense or n.op == "get_attr" for n in inputs) and not ours:
                dense |= {node, *inputs}
        return dense

    def _stem(self, nodes: Sequence[fx.Node], dense: set[fx.Node], borders: Sequence[fx.Node]) -> fx.GraphModule:
        graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in nodes:
            if node in dense:
                made[node] = graph.node_copy(node, lambda n: made[n])
        graph.output(tuple(made[n] for n in borders))
        return fx.GraphModule(self.graph, graph)

    def _steps(self, nodes: Sequence[fx.Node]) -> list[_Step]:
        """The nodes as steps; a convolution stands where the last of what it takes along stood."""
        taken: dict[fx.Node, _Step] = {}
        inside: set[fx.Node] = set()
        for node in nodes:
            if _is_plain_convolution(node) and node not in inside:
                step = _Step(node, "conv", cast(fx.Node, node.args[0]), conv=_module(node))
                inside |= {node, *self._taken_along(step, set(nodes), inside)}
                taken[step.node] = step
        steps = []
        for node in nodes:
            if node in taken:
                steps.append(taken[node])
            elif node not in inside and node.op != "get_attr":
                kind = "cat" if _is_join(node) else "pool" if _is_plain_pool(node) else "as is"
                steps.append(_Step(node, kind))
        return steps

    def _taken_along(self, step: _Step, here: set[fx.Node], inside: set[fx.Node]) -> Iterable[fx.Node]:
        """What a convolution does beside its product: scale, sum, activation."""
        assert step.conv is not None
        while len(step.node.users) == 1:
            (user,) = step.node.users
            if user not in here or user in inside or self.seen[user].shape != self.seen[step.node].shape:
                return
            factor, other = _scaled(user, step.node), _added(user, step.node)
            if factor is not None and step.add is None:
                step.scale *= factor
            elif other is not None and step.add is None and self.seen[other[0]].shape == self.seen[user].shape:
                step.add, step.scale = other[0], step.scale * other[1]
            elif (after := _activation(user)) is not None:
                step.after, step.node = after, user
                yield user
                return
            else:
                return
            step.node = user
            yield user

    def _program(self, steps: Sequence[_Step]) -> Program:
        plan = _Plan(self, steps)
        jobs = [job for i, step in enumerate(steps) for job in plan.jobs(i, step)]
        names = [f"input {i}" for i in range(len(self.inputs))]
        return Program(jobs, plan.widths, names, plan.slots[self.output])


def _is_plain_convolution(node: fx.Node) -> bool:
    """Whether a job of ours does what it does: stride 1, size kept, zeros outside, ungrouped or depthwise."""
    conv = _module(node)
    if not isinstance(conv, nn.Conv2d):
        return False
    ours = isinstance(conv, DepthwiseConv) or type(conv)._conv_forward is nn.Conv2d._conv_forward
    margin = [d * (k // 2) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    kept = conv.padding == "same" or list(conv.padding) == margin
    grouping = conv.groups == 1 or conv.groups == conv.in_channels == conv.out_channels
    plain = type(conv).forward is nn.Conv2d.forward and conv.padding_mode == "zeros" and conv.stride == (1, 1)
    return ours and plain and kept and grouping and all(k % 2 for k in conv.kernel_size)


def _is_plain_pool(node: fx.Node) -> bool:
    pool = _module(node)
    if type(pool) not in (nn.MaxPool2d, DilatedPool) or pool.return_indices or pool.ceil_mode:
        return False
    kernel, dilation, padding = map(_pair, (pool.kernel_size, pool.dilation, pool.padding))
    kept = all(p == d * (k // 2) and k % 2 for p, d, k in zip(padding, dilation, kernel, strict=True))
    return _pair(pool.stride) == (1, 1) and kept


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[1]) if isinstance(value, (tuple, list)) else (value, value)


def _is_join(node: fx.Node) -> bool:
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    parts = node.args[0] if node.args else None
    listed = isinstance(parts, (list, tuple)) and all(isinstance(p, fx.Node) for p in parts)
    return node.op == "call_function" and node.target in JOINS and dim in (1, -3) and listed


def _scaled(node: fx.Node, value: fx.Node) -> float | None:
    """The number that a node multiplies a value with."""
    if node.target not in PRODUCTS or len(node.args) != 2 or node.kwargs:
        return None
    other = node.args[1] if node.args[0] is value else node.args[0]
    return float(other) if isinstance(other, (int, float)) and not isinstance(other, bool) else None


def _added(node: fx.Node, value: fx.Node) -> tuple[fx.Node, float] | None:
    """What a node adds to a value, and the factor on the value."""
    if node.target not in ADDITIONS or len(node.args) != 2 or set(node.kwargs) - {"alpha"}:
        return None
    alpha, (one, other) = node.kwargs.get("alpha", 1), node.args
    if not isinstance(alpha, (int, float)) or one is other:
        return None
    if other is value and isinstance(one, fx.Node):
        return one, float(alpha)
    return (other, 1.0) if alpha == 1 and isinstance(other, fx.Node) else None


def _activation(node: fx.Node) -> str | None:
    module = _module(node)
    found = AFTER.get(node.target if module is None else type(module))
    extra = {k: v for k, v in node.kwargs.items() if k != "inplace"}
    return None if extra or (len(node.args) > 1 and node.op != "call_function") else found


def _joined(steps: Sequence[_Step]) -> list[_Step]:
    """1x1 convolutions of one source as one step, where the first of them stands."""
    firsts: dict[Any, _Step] = {}
    left = []
    for step in steps:
        conv = step.conv
        alike = conv is not None and conv.kernel_size == (1, 1) and conv.groups == 1 and step.add is None
        key = (step.source, step.after) if alike else step.node
        if key in firsts:
            firsts[key].also.append(step)
        else:
            firsts[key] = step
            left.append(step)
    return left


class _Plan:
    """Where the values of a program lie.

    A buffer holds one value, or all of a concatenation. It is used again, for a value of its width, when all that it
    holds was read for the last time.
    """

    def __init__(self, fused: Fused, steps: Sequence[_Step]) -> None:
        self.fused, self.steps = fused, steps
        self.last = dict[fx.Node, int]()  # the step that reads a value last
        for i, step in enumerate(steps):
            for node in step.reads():
                self.last[node] = i
        self.last[fused.output] = len(steps)
        self.slots: dict[fx.Node, Slot] = {}
        self.widths: dict[str, int] = {}
        self._holds: dict[str, set[fx.Node]] = {}
        self._free: dict[int, list[str]] = {}
        self._joins = {
            part: step.node
            for step in steps
            if step.kind == "cat"
            for part in step.node.args[0]  # type: ignore[union-attr]
        }
        for k, node in enumerate(fused.inputs):
            self._place(node, Slot(f"input {k}", 0, self._channels(node)))

    def _channels(self, node: fx.Node) -> int:
        shape = self.fused.seen[node].shape
        assert shape is not None, node
        return shape[1]

    def _place(self, node: fx.Node, slot: Slot) -> Slot:
        self.slots[node] = slot
        self._holds.setdefault(slot.buffer, set()).add(node)
        return slot

    def _buffer(self, width: int) -> str:
        free = self._free.setdefault(width, [])
        if free:
            return free.pop()
        name = f"{self.fused.name} {width} {sum(w == width for w in self.widths.values())}"
        self.widths[name] = width
        return name

    def _target(self, node: fx.Node) -> Slot:
        """Where a new value goes: among its neighbours of a concatenation, or into a buffer."""
        join = self._joins.get(node)
        if join is None or node in self.fused.inputs:
            return self._place(node, Slot(self._buffer(self._channels(node)), 0, self._channels(node)))
        if join not in self.slots:
            self._place(join, Slot(self._buffer(self._channels(join)), 0, self._channels(join)))
        parts = cast(Sequence[fx.Node], join.args[0])
        start = sum(map(self._channels, parts[: parts.index(node)]))
        return self._place(node, Slot(self.slots[join].buffer, start, self._channels(node)))

    def jobs(self, i: int, step: _Step) -> list[Job]:
        """Those of step i; then what no later step reads is free."""
        made = {"conv": self._convolution, "cat": self._cat, "pool": self._pool, "as is": self._as_is}[step.kind](
            i, step
        )
        for buffer, nodes in list(self._holds.items()):
            done = all(self.last.get(n, -1) <= i for n in nodes)
            if done and buffer in self.widths:
                self._free[self.widths[buffer]].append(buffer)
                del self._holds[buffer]
        return made

    def _convolution(self, i: int, step: _Step) -> list[Job]:
        source = self.slots[cast(fx.Node, step.source)]
        parts = [step, *step.also]
        weights, biases = zip(*(_weights(part, self.fused.dtype) for part in parts), strict=True)
        jobs: list[Job] = []
        if step.add is not None and self._may_become(step.add, step.node, i, source):
            targets = [self._place(step.node, self.slots[step.add])]
        else:
            targets = [self._target(part.node) for part in parts]
            if step.add is not None:
                jobs.append(Copy(self.slots[step.add], targets[0]))
        conv = cast(nn.Conv2d, step.conv)
        return [
            *jobs,
            Convolution(
                source, targets, torch.cat(weights), torch.cat(biases), _pair(conv.dilation), step.after,
                step.add is not None,
            ),
        ]  # fmt: skip

    def _may_become(self, added: fx.Node, node: fx.Node, i: int, source: Slot) -> bool:
        """Whether a sum may be written over what is added to."""
        slot = self.slots[added]
        others = self._holds[slot.buffer] - {added}
        whole = slot.channels == self.widths.get(slot.buffer, slot.channels)
        alone = whole and all(self.last.get(n, -1) < i for n in others)
        given = slot.buffer not in self.widths and self.fused.keeps
        return (
            self.last[added] == i and alone and not given and slot.buffer != source.buffer and node not in self._joins
        )

    def _cat(self, i: int, step: _Step) -> list[Job]:
        parts = cast(Sequence[fx.Node], step.node.args[0])
        if step.node not in self.slots:
            self._target(step.node)
        whole, start, jobs = self.slots[step.node], 0, list[Job]()
        for part in parts:
            wanted = Slot(whole.buffer, whole.start + start, self._channels(part))
            start += self._channels(part)
            if self.slots[part] != wanted:
                jobs.append(Copy(self.slots[part], wanted))
        return jobs

    def _pool(self, i: int, step: _Step) -> list[Job]:
        pool = _module(step.node)
        source = self.slots[cast(fx.Node, step.node.args[0])]
        return [MaxPool(source, self._target(step.node), _pair(pool.kernel_size), _pair(pool.dilation))]

    def _as_is(self, i: int, step: _Step) -> list[Job]:
        node = step.node

        def given(argument: Any) -> Any:
            if not isinstance(argument, fx.Node):
                return argument
            if argument.op == "get_attr":
                return operator.attrgetter(str(argument.target))(self.fused.graph)
            return self.slots[argument] if argument in self.slots else Value(argument.name)

        args, kwargs = (fx.node.map_aggregate(of, given) for of in (node.args, node.kwargs))
        function: Callable = _module(node) or node.target  # type: ignore[assignment]
        if node.op == "call_method":
            function = functools.partial(_method, str(node.target))
        target = Value(node.name) if self.fused.seen[node].shape is None else self._target(node)
        return [AsIs(function, args, kwargs, target)]


def _method(name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(value, name)(*args, **kwargs)


def _weights(step: _Step, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weight and bias, the factor behind the convolution in both."""
    conv = cast(nn.Conv2d, step.conv)
    bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    return (conv.weight.detach() * step.scale).to(dtype), (bias.detach() * step.scale).to(dtype)
