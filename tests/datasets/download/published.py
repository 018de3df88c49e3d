"""Tiny data sets, published on the test's server, that replace the real ones while a test runs."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import scipy.io

from lcnb.datasets.download import install, sources
from tests.datasets import trees


def sums(folder):
    """name -> SHA-256 of all files of a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def tar(files, mode="w"):
    """The bytes of a tar of name -> content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_(files):
    """The bytes of a zip of name -> content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def contents(folder, prefix=""):
    """name -> bytes of all files of a folder."""
    return {prefix + p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class CamVid:
    """12 pairs on a server, with the list that names them."""

    def __init__(self, server, folder, set_):
        self.tree = trees.camvid(folder / "published" / "CamVid", {"train": 6, "val": 4, "test": 2})
        self.sums = {name: sum_ for name, sum_ in sums(self.tree).items() if name.endswith(".png")}
        self.list = folder / "camvid.sha256"
        self.list.write_text("".join(f"{sum_}  {name}\n" for name, sum_ in self.sums.items()))
        self.files = contents(self.tree)
        server.files.update({f"/camvid/{name}": content for name, content in self.files.items()})
        self.server, self.base = server, f"{server.base}/camvid"
        set_(sources, "CAMVID_LIST", self.list)
        set_(install, "BASE", self.base)


def publish(server, name, file, content, set_, part=0, **changes):
    """Put an archive on the server, and make it the published one of a data set."""
    server.files[f"/{file}"] = content
    source = sources.SOURCES[name]
    made = replace(
        source.archives[part], url=f"{server.base}/{file}", file=file, size=len(content), about=len(content),
        digest=f"md5:{hashlib.md5(content).hexdigest()}", **changes,
    )  # fmt: skip
    archives = [*source.archives]
    archives[part] = made
    set_(sources.SOURCES, name, replace(source, archives=tuple(archives)))
    return made


def voc(server, folder, set_):
    """The archive of 3 + 2 pairs, published; its tree."""
    tree = trees.voc(folder / "published" / "VOC2012", {"train": 3, "val": 2})
    for k in range(4):  # photographs that only SBD has masks for
        trees.write(trees.colours(k), tree / "JPEGImages" / f"2008_{k:06}.jpg")
    publish(server, "voc2012", "VOC.tar", tar(contents(tree, "VOCdevkit/VOC2012/")), set_)
    set_(sources.SOURCES, "voc2012", replace(sources.SOURCES["voc2012"], pairs={"train": 3, "val": 2}))
    return tree


def mat(mask):
    """A MATLAB file as SBD's."""
    out = io.BytesIO()
    scipy.io.savemat(out, {"GTcls": {"Segmentation": mask, "CategoriesPresent": np.unique(mask)}}, do_compression=True)
    return out.getvalue()


def sbd(server, set_, **other):
    """Masks of 4 photographs of neither train nor val, one of train, one of val."""
    stems = [*(f"2008_{k:06}" for k in range(4)), "2007_train_000000", "2007_val_000000"]
    files = {f"benchmark_RELEASE/dataset/cls/{s}.mat": mat(trees.labels([*range(21)], k)) for k, s in enumerate(stems)}
    files["benchmark_RELEASE/dataset/train.txt"] = "\n".join(stems).encode()
    files["benchmark_RELEASE/dataset/img/2008_000000.jpg"] = b"an image"
    publish(server, "sbd", "benchmark.tgz", tar(files | other, "w:gz"), set_)
    set_(sources.SOURCES, "sbd", replace(sources.SOURCES["sbd"], pairs={"trainaug": 7}))
