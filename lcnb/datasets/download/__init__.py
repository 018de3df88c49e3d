"""Real data sets, fetched: https only, verified against published checksums, installed atomically.

`obtain(place(name), Client())` makes `<root>/<name>/` and nothing else. Unfinished work lies in
`<root>/downloads/<name>/`: archives (also those put there by hand), files that end in `.part`, and what is being
unpacked. Whatever interrupts a call, a data set that was there before stays unchanged, and the same call resumes.
"""

from lcnb.datasets.download import install, sources
from lcnb.datasets.download.fetch import Client
from lcnb.datasets.download.files import amount, free, read_sums
from lcnb.datasets.download.install import BASE, Place, place, verify
from lcnb.datasets.download.sources import SOURCES

__all__ = ["SOURCES", "Client", "Place", "obtain", "place", "plan", "verify"]


def obtain(place: Place, client: Client, repair: bool = False) -> None:
    """Install a data set, complete and verified, unless it is there already.

    Args:
        place: the data set and its folders, from `place("camvid")`, "voc2012", "sbd" or "cityscapes".
        client: fetches the files.
        repair: replace files of CamVid that differ from the published ones.

    Raises:
        DownloadError: the data set cannot be fetched or installed; the sentence says why and what to do.
        LockError: another process is installing it.
    """
    title = SOURCES[place.name].title
    if not place.empty:
        fine, text = verify(place)
        if fine:
            print(f"{title} is already in {text}", flush=True)
            return
    with place.held():
        if place.name == "camvid":
            install.camvid(place, client, repair)
        elif place.name == "sbd":
            install.sbd(place, client)
        else:
            install.archives(place, client)
    print(f"{title} is in {verify(place)[1]}", flush=True)


def plan(place: Place, client: Client) -> list[str]:
    """Describe what `obtain` would do, line by line, without asking the network."""
    source = SOURCES[place.name]
    lines = [source.title, f"terms: {source.terms}", f"use here: {source.use}"]
    for archive in source.archives:
        first = f"from: {client.url(archive.url, archive.file)}"
        if archive.login:
            first = f"by hand: {archive.file}, after a login at {archive.url}, into {place.work}"
        size = f"{archive.size:,} bytes" if archive.size is not None else f"about {amount(archive.about)}"
        checked = f"{archive.digest.replace(':', ' ')}, published by {archive.by}"
        if place.name == "camvid":
            first = f"from: {client.mirror or BASE}"
            count = len(read_sums(sources.CAMVID_LIST))
            checked = f"{count:,} files, each compared with its SHA-256 of commit {sources.COMMIT[:10]}"
        lines += [
            first,
            f"  {size}; {checked if archive.digest or place.name == 'camvid' else 'no published checksum'}",
        ]
    if not place.empty:
        lines.append("there already: it is checked, and only what it lacks is fetched")
    lines.append(f"fetched by hand, an archive is taken from {place.work}")
    return [*lines, f"to: {place.folder}", f"free there: {amount(free(place.root))}"]
