"""Compiles the Triton kernels for GPUs that need not be there: `python -m tests.regions.triton_builds`.

The interpreter takes much that the compiler refuses, so where there is no GPU this is the other half of the test.
Prints a line for each build: the kernel, its dtype and its architecture, and which matrix instruction it uses.
"""

import itertools
import re

import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from lcnb.regions import triton_kernels

OPTIONAL = ("table", "bias", "residual")
ARCHITECTURES = (80, 90)  # Ampere, Hopper
DTYPES = (("fp16", "ieee"), ("bf16", "ieee"), ("fp32", "tf32"), ("fp32", "ieee"))


def build(kernel, dtype, precision, architecture, missing=()):
    """PTX of the kernel in its second configuration, arguments divisible by 16 as they mostly are."""
    config = kernel.configs[1]
    fixed = {"RELU": True, "PRECISION": precision, "SUM": tl.float32, "WIDEN": False, **config.kwargs}
    fixed |= dict.fromkeys(missing)
    pointers = dict.fromkeys(("features", "weight", "bias", "residual", "slope", "out"), f"*{dtype}")
    pointers["table"] = "*i64"
    if kernel is triton_kernels.weight_gradient_kernel:
        pointers["out"] = "*fp32"
    names = kernel.fn.arg_names
    constants = {n: fixed[n] for n in names if n in fixed}
    signature = {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in names}
    ragged = ("rows", "bucket", "share", "positions")
    even = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if n not in constants and n not in ragged}
    source = ASTSource(kernel.fn, signature, constants, even)
    options = {"num_warps": config.num_warps, "num_stages": config.num_stages, "enable_fp_fusion": True}
    return compile(source, target=GPUTarget("cuda", architecture, 32), options=options).asm["ptx"]


def main():
    """Build everything once."""
    kernels = [(triton_kernels.conv_kernel, m) for m in ((), OPTIONAL)] + [(triton_kernels.weight_gradient_kernel, ())]
    for architecture, (dtype, precision), (kernel, missing) in itertools.product(ARCHITECTURES, DTYPES, kernels):
        ptx = build(kernel, dtype, precision, architecture, missing)
        found = re.findall(r"wgmma\.mma_async|mma\.sync|fma\.rn", ptx)
        print(kernel.fn.__name__, f"{dtype}/{precision}", f"sm_{architecture}", *sorted(set(found)), flush=True)


if __name__ == "__main__":
    main()
