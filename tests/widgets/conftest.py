"""What tests of widgets share."""

import asyncio
import re


def told(widget, name):
    """What the read-out says under a name, as text."""
    return re.search(rf'data-{name}="([^"]*)"', widget.readout.value)[1]


async def until(true):
    """Let the event loop run until `true()`; pytest's time limit ends a wait in vain."""
    while not true():
        await asyncio.sleep(0.01)
