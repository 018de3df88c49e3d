"""Too little memory, of the GPU's or the machine's, and a GPU that is not there."""

import json
import re

import pytest
import torch

import lcnb as package
from lcnb.cli import run as run_command
from lcnb.cli.options import or_on_cpu
from lcnb.errors import DataError, LcnbError, memory_shortage
from lcnb.running import Failure, Notebook, Outcome
from lcnb.training import load_checkpoint
from lcnb.training.objective import Objective
from tests.trust_faults.conftest import TRAIN

GPU = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.06 GiB is free"
CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError(GPU), "the GPU is out of memory (2.00 GiB more were asked for)"),
        (RuntimeError("CUDA error: out of memory"), "the GPU is out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "the GPU is out of memory"),
        (
            RuntimeError(f"{CPU}8589934592 bytes. Error code 12"),
            "the machine is out of memory (8.00 GiB more were asked",
        ),
        (MemoryError(), "the machine is out of memory"),
        (MemoryError("Unable to allocate 1.00 GiB for an array"), "the machine is out of memory (1.00 GiB more"),
        (RuntimeError("std::bad_alloc"), "the machine is out of memory"),
        (RuntimeError("shape mismatch"), None),
        (ValueError("out of memory"), None),
        (DataError("bad_alloc"), None),
    ],
)
def test_what_is_short(error, said):
    found = memory_shortage(error)
    assert found is None if said is None else found.startswith(said)


SHARED = [
    "unable to write to file </torch_42_7>: No space left on device (28)",
    "DataLoader worker (pid 42) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    "shared memory. Please try to raise your shared memory limit.",
    "unable to mmap 8 bytes from file </torch_42_7>: Cannot allocate memory (12)",
]


@pytest.mark.parametrize("text", SHARED)
def test_a_small_dev_shm_is_no_lack_of_memory(text, lcnb, home, monkeypatch):
    """/dev/shm too small for the processes that read images (a container's 64 MB): the sentence names it"""

    def full(arguments):
        try:
            raise RuntimeError(text)
        except RuntimeError as error:
            raise RuntimeError("DataLoader worker (pid(s) 42) exited unexpectedly") from error

    assert memory_shortage(RuntimeError(text)) is None
    monkeypatch.setattr("lcnb.cli.info.run", full)
    code, _, said = lcnb("info")
    assert code == 1
    assert said.startswith("lcnb: error: shared memory (/dev/shm), through which")
    assert said.endswith("docker run --shm-size=2g), or --workers 0\n")


def test_torch_without_memory_is_one_sentence(lcnb, data):
    """A computation larger than the machine's memory, for real: the sentence says what to lower"""
    size = ["--size", "9999999", "9999999"]
    code, out, error = lcnb(
        "bench", "model", "--width", "0.05", *size, "--exits", ".2,.2", "--repeats", "1", "--even-if-busy"
    )
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"lcnb: error: the machine is out of memory \(.+ more were asked for\); lower --batch or --width or --size, or "
        r"close what else is running\n",
        error,
    )


@pytest.mark.parametrize("command", ["eval", "sweep"])
def test_a_gpu_too_small_falls_back_to_the_cpu(command, lcnb, data, home, monkeypatch):
    """A GPU without memory under `lcnb eval` and `sweep`: a sentence, and the same numbers from the CPU"""
    arguments = [command, "--weights", "tiny", "--rho", "0.5", "--json"]
    assert lcnb(*arguments, "cpu.json")[0] == 0
    import lcnb.evaluation as evaluation

    whole, tried = getattr(evaluation, {"eval": "evaluate"}.get(command, command)), []

    def first_fails(*args, **options):
        tried.append(1)
        if len(tried) == 1:
            raise torch.OutOfMemoryError(GPU)
        return whole(*args, **options)

    monkeypatch.setattr(evaluation, whole.__name__, first_fails)
    monkeypatch.setattr("lcnb.cli.evaluate.usable_device", lambda name: "cpu")
    code, _, error = lcnb(*arguments, "gpu.json", "--device", "cuda")
    said = "the GPU is out of memory (2.00 GiB more were asked for): going on on the CPU, which takes longer"
    assert (code, error) == (0, f"lcnb: {said}\n")
    one, two = (json.loads((home / name).read_text()) for name in ("cpu.json", "gpu.json"))
    assert two["device"] == "cpu"
    for volatile in ("machine", "command", "ms_per_image", "ms_stages", "load"):
        one.pop(volatile, None)
        two.pop(volatile, None)
    drop = re.compile(r'"ms_per_image": \{[^}]*\}')
    assert drop.sub("", json.dumps(one)) == drop.sub("", json.dumps(two))


def test_falling_back_happens_once_and_for_memory_only():
    with pytest.raises(KeyError):
        or_on_cpu("cuda", lambda device: {}[device])
    with pytest.raises(torch.OutOfMemoryError):
        or_on_cpu("cpu", _short)
    with pytest.raises(torch.OutOfMemoryError):
        or_on_cpu("mps", _short)


def _short(device):
    raise torch.OutOfMemoryError(GPU)


def test_training_without_memory_keeps_its_checkpoint(lcnb, data, home, little, monkeypatch):
    """A training that runs out of memory: a sentence says what to lower, the last checkpoint is whole"""
    forward, steps = Objective.forward, []

    def third_fails(self, *arguments):
        steps.append(1)
        if len(steps) == 3:
            raise torch.OutOfMemoryError(GPU)
        return forward(self, *arguments)

    monkeypatch.setattr(Objective, "forward", third_fails)
    code, _, error = lcnb("train", *TRAIN, "--steps", "4", "--out", "run")
    assert code == 1
    assert error == (
        "lcnb: error: the GPU is out of memory (2.00 GiB more were asked for), at step 2; the last checkpoint is "
        "intact: start another run, with a smaller batch than 2, crop than 32 40 or width than 0.05\n"
    )
    assert load_checkpoint(home / "run" / "checkpoint.pt")["step"] == 2
    assert lcnb("train", "--resume", "--out", "run")[0] == 0


def test_a_notebook_whose_gpu_is_too_small_runs_on_the_cpu(monkeypatch, tmp_path, capsys):
    """A notebook that the GPU's memory does not suffice for: `lcnb run` says so and runs it on the CPU"""
    devices, book = [], Notebook(tmp_path / "a.ipynb", "a")

    def execute(notebook, parameters, *_):
        devices.append(parameters["device"])
        failure = None if parameters["device"] == "cpu" else Failure("error", f"OutOfMemoryError: {GPU}", 3)
        return Outcome(notebook, dict(parameters), failure=failure)

    monkeypatch.setattr("lcnb.running.execute", execute)
    monkeypatch.setattr("lcnb.running.pages.publish", lambda outcome, out: {})
    monkeypatch.setattr("lcnb.running.pages.write_index", lambda *_: None)
    done = run_command._run_all([(book, {"device": "cuda", "rho": 0.5})], tmp_path, 60)
    assert devices == ["cuda", "cpu"]
    assert done[0].ok
    assert capsys.readouterr().err == "a: the GPU is out of memory: once more, on the CPU\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_in_a_notebook(data):
    """`lcnb.load(NAME, "cuda")` on a machine without a GPU"""
    with pytest.raises(LcnbError, match=r"cuda: this machine has no such device; it has cpu"):
        package.load("tiny", "cuda")
    with pytest.raises(LcnbError, match=r"'gpu' is no device"):
        package.load("tiny", "gpu")
