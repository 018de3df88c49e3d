"""The sliders of the other notebooks: keys move them, picture and read-out follow soon, the keyboard is enough."""

import pytest
from PIL import Image

from tests.browser.lab import look, wait_until
from tests.browser.sliders import Canvas, Slider, report

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def run(open_notebook, name):
    notebook = open_notebook(name)
    notebook.run_all()
    assert notebook.errors() == []
    return notebook.page


def type_into(slider, value, told):
    """Type a number and wait until the read-out tells something else."""
    before = slider.data(told)
    slider.field.fill(value)
    slider.field.press("Enter")
    wait_until(lambda: slider.data(told) != before, what="the typed value")
    slider.rest()


def test_difficulty(open_notebook, record_property):
    slider = Slider(run(open_notebook, "01_difficulty"), rests_as="graded")
    found = slider.latency()
    slider.check_keyboard()
    slider.check_names("sure above")
    slider.check_readout("easy", "moderate", "hard", "of the pixels")
    type_into(slider, "0.62", "shares")
    report("01_difficulty", found, record_property)


def test_region_convolution(open_notebook, record_property):
    page = run(open_notebook, "02_region_convolution")
    slider = Slider(page, rests_as="measured")
    found = slider.latency()
    assert slider.modes("ArrowLeft") == ["counted", "measured"]
    slider.check_keyboard()
    slider.check_names("active")
    slider.check_readout("cells active", "of the multiply-adds", "measured", "dense")
    type_into(slider, "0.62", "share")
    assert abs(float(slider.data("share")) - 0.62) < 0.01
    before = look(slider.picture)
    page.get_by_label("mask", exact=True).select_option("scattered")
    wait_until(lambda: look(slider.picture) != before, what="another mask in the picture")
    report("02_region_convolution", found, record_property)


def test_stages(open_notebook, record_property, tmp_path):
    page = run(open_notebook, "05_stage_visualization")
    slider = Canvas(page)
    found = slider.latency()
    slider.check_manners("threshold ρ", "stage 1", "stage 2", "stage 3", "true", "mIoU")

    # One slider for each exit: the second one alone changes what stage 2 lets exit, not what stage 1 does.
    second = Canvas(page, 1)
    seen = second.exits
    page.get_by_role("slider", name="ρ of exit 2").focus()
    page.keyboard.press("Home")
    wait_until(lambda: second.exits[2] == 0, what="every cell exiting at stage 2")
    assert second.exits[0] == seen[0]
    second.rest()

    # A photograph of the reader's own: a bad file gets a sentence, a good one an explorer.
    bad, good = tmp_path / "street.jpg", tmp_path / "street.png"
    bad.write_text("not an image")
    Image.effect_noise((160, 120), 60).convert("RGB").save(good)
    for file, answer in ((bad, "not an image that can be read"), (good, "shown at 160x120 pixels")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="choose a photograph").click()
        chooser.value.set_files(file)
        page.get_by_text(answer).first.wait_for(timeout=15_000)
    Canvas(page, 2)
    report("05_stage_visualization", found, record_property)
