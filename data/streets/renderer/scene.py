"""Compose a whole street from its seed, as seen by one camera."""

from collections import defaultdict

from . import actors, camera, drive, ground, kerbside, layout, markings, sides, stage, weather
from .classes import IGNORE
from .mesh import Mesh

VIEW = 165.0  # metres of street built ahead of the camera
BEHIND = 14.0


def compose(seed, t=None):
    """Build the scene; returns (street, weather). With a time ``t`` it is that moment of the drive."""
    place = stage.clear()
    street = layout.plan(seed, drive=t is not None)
    sky = weather.draw(seed, street.wet, drive=t is not None)
    eye = camera.draw(seed, street) if t is None else camera.drive(t, street)
    near, far = eye.s - BEHIND, min(street.length, eye.s + VIEW)
    if t is not None:  # a film builds the same street for every frame: nothing may pop up
        near, far = -BEHIND, street.length
    parts = defaultdict(Mesh)
    ground.build(street, parts)
    markings.build(street, parts)
    place.put_all(parts)
    sides.draw(place, street, near, far)
    kerbside.draw(place, street, near, far, eye if t is None else None)
    if t is None:
        actors.draw(place, street, eye, far, sky.kind == "dusk")
    else:
        drive.draw(place, street, eye, far, t)
    weather.hang(place.scene, sky, seed)
    lens = camera.mount(place.scene, eye, street)
    if eye.bonnet:
        _bonnet(place, lens)
    return street, sky


def _bonnet(place, lens):
    """The bonnet of the camera's own car at the lower edge of the picture: unlabelled."""
    mesh = Mesh()
    mesh.ball((0, -0.95, -1.35), (0.95, 0.5, 0.9), "carpaint", (0.02, 0.02, 0.025), 14)
    place.put(IGNORE, mesh, lens)
