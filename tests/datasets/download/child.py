"""The command in a process of its own, told about a tiny CamVid and VOC: python -m THIS FACTS ...

FACTS is a JSON file: {"camvid": {"list", "base"}, "voc2012": {"url", "size", "md5"}, "room": bytes of a file}.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from lcnb.cli import main
from lcnb.datasets.download import fetch, files, install, sources

if __name__ == "__main__":
    facts = json.loads(Path(sys.argv[1]).read_text())
    fetch.PAUSE, fetch.TRIES, files.SPARE = 0.01, 2, 0
    fetch.SILENCE = fetch.WINDOW = 3600.0  # a test that stops the command must not be saved by a time-out
    sources.CAMVID_LIST, install.BASE = Path(facts["camvid"]["list"]), facts["camvid"]["base"]
    source, fact = sources.SOURCES["voc2012"], facts["voc2012"]
    archive = replace(
        source.archives[0], url=fact["url"], file="VOC.tar", size=fact["size"], about=fact["size"], digest=fact["md5"]
    )
    sources.SOURCES["voc2012"] = replace(source, archives=(archive,), pairs={"train": 3, "val": 2})
    if facts.get("room"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (facts["room"], facts["room"]))
    sys.exit(main(sys.argv[2:]))
