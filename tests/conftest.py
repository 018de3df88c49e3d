"""Fixtures that several test folders share."""

import signal

import pytest
import torch
from hypothesis import HealthCheck, settings

from lcnb.models import irnet_lc
from tests.browser.sliders import AIM_MS, LIMIT_MS

# A test run in the background of a script is started with Ctrl-C ignored, one under nohup with a closed terminal
# ignored, and so would be what it starts.
for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, name), handler)

# A busy machine is no failure.
settings.register_profile("lcnb", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lcnb")

torch.set_num_threads(1)  # tiny networks: threads cost more than they give

ONE_BROWSER = ("tests/browser/", "tests/trust_jupyter/test_lab.py")
"""Files whose tests start JupyterLab or a browser: one process runs them all."""
LONGEST = (ONE_BROWSER[0], "tests/notebooks/test_run.py")
"""Groups that take many minutes each."""


def group(nodeid):
    """What one process of a parallel run takes as a whole: a file, or all that use the browser."""
    file = nodeid.partition("::")[0]
    return ONE_BROWSER[0] if file.startswith(ONE_BROWSER) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """pytest-xdist's own groups are silently none with pytest 9.2, which forms node ids elsewhere."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return ByGroup(config, log)


@pytest.hookimpl(trylast=True)  # after -m has made its choice
def pytest_collection_modifyitems(config, items):
    """Parallel runs start with the longest groups, then those with slow tests."""
    if hasattr(config, "workerinput"):
        slow = {group(item.nodeid) for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (group(item.nodeid) not in LONGEST, group(item.nodeid) not in slow))


def pytest_terminal_summary(terminalreporter):
    """How fast the sliders answered; in every report, not only in that of a failure."""
    calls = [r for some in terminalreporter.stats.values() for r in some if getattr(r, "when", None) == "call"]
    if lines := [line for call in calls for name, line in call.user_properties if name == "slider"]:
        terminalreporter.section(f"sliders (aim {AIM_MS} ms, limit {LIMIT_MS} ms)")
        for line in lines:
            terminalreporter.line(line)


CLASSES = ("Sky", "Building", "Road", "Car")


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small only lose by sharing their work; a test may set another number for itself."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """What is measured while tests run is kept for this run only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LCNB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def no_grad():
    """Inference mode around a test."""
    with torch.inference_mode():
        yield


def used(net, sharper):
    """A network that has seen pictures; its classifiers are scaled, as random ones are never sure and no cell exits."""
    for head in net.heads:
        head[-1].weight.data *= sharper
    with torch.no_grad():
        for _ in range(10):
            net.train().all_stages(torch.rand(2, 3, 48, 64))
    return net.eval()


@pytest.fixture(scope="session")
def small_cascade():
    """A tiny network whose three exits are all used at rho = 0.6; not trained."""
    torch.manual_seed(0)
    return used(irnet_lc(len(CLASSES), width=0.05, blocks=(1, 1, 1)), 3)


@pytest.fixture(scope="session")
def picture():
    """(3, 48, 64) uint8."""
    return torch.randint(256, (3, 48, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture(scope="session")
def truth():
    """(48, 64) uint8 of four classes, with a band of 11 (unlabelled)."""
    mask = torch.arange(64).div(16, rounding_mode="floor").expand(48, 64).to(torch.uint8).clone()
    mask[:4] = 11
    return mask
