"""The command in a process of its own, told about a tiny CamVid and VOC: python -m tests.downloads.child FACTS ...

FACTS is a JSON file: {"camvid": {"list", "base"}, "voc2012": {"url", "size", "md5"}, "room": bytes of a file}.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from lcnb.cli import main
from lcnb.downloads import camvid, disk, sources, transfer

if __name__ == "__main__":
    facts = json.loads(Path(sys.argv[1]).read_text())
    transfer.PATIENCE = replace(transfer.PATIENCE, pause=0.01, tries=2)
    disk.SPARE = 0
    camvid.CAMVID_LIST, camvid.BASE = Path(facts["camvid"]["list"]), facts["camvid"]["base"]
    source, fact = sources.SOURCES["voc2012"], facts["voc2012"]
    archive = replace(
        source.archives[0], url=fact["url"], file="VOC.tar", size=fact["size"], about=fact["size"], digest=fact["md5"]
    )
    sources.SOURCES["voc2012"] = replace(source, archives=(archive,), pairs={"train": 3, "val": 2})
    if facts.get("room"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (facts["room"], facts["room"]))
    sys.exit(main(sys.argv[2:]))
