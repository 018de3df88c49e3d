"""Sky, sun, clouds and haze. The sky is an image around the scene, so it also lights it and shows in windows."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .rng import array_stream, pick, stream
from .textures import fractal

KINDS = {"bright": 0.26, "clear": 0.20, "clouds": 0.20, "overcast": 0.20, "lowsun": 0.08, "dusk": 0.06}


@dataclass
class Weather:
    kind: str
    elevation: float  # of the sun, radians
    azimuth: float  # counter-clockwise from +x
    sun: float
    warmth: tuple
    softness: float
    zenith: np.ndarray
    horizon: np.ndarray
    cover: float  # how much cloud
    cloud: np.ndarray
    haze: float  # per metre
    key: float  # how bright the street comes out, for the camera's exposure


def draw(seed, wet=False, drive=False):
    rng = stream(seed, "weather")
    kind = "bright" if drive else pick(rng, {"overcast": 0.6, "clouds": 0.25, "dusk": 0.15} if wet else KINDS)
    elevation = math.radians({"lowsun": rng.uniform(5, 12), "dusk": rng.uniform(-1, 4)}.get(kind, rng.uniform(13, 46)))
    azimuth = rng.uniform(-math.pi, math.pi)
    sun = {
        "bright": rng.uniform(3, 7),
        "clear": rng.uniform(5, 9),
        "clouds": rng.choice([0.4, 2, 5]),
        "overcast": 0.0,
        "lowsun": rng.uniform(4, 8),
        "dusk": 0.0,
    }[kind]
    low = max(0.0, 1 - math.degrees(elevation) / 25)
    warmth = (1.0, 0.93 - 0.28 * low, 0.82 - 0.52 * low)
    blue = np.array([0.20, 0.36, 0.72]) * rng.uniform(0.8, 1.3)
    pale = np.array([0.80, 0.90, 1.02]) * rng.uniform(0.9, 1.3)
    white = np.array([0.95, 0.97, 1.0])
    zenith, horizon, cover, cloud = {
        "clear": (blue, pale, rng.uniform(0, 0.25), white * 1.5),
        "bright": (pale * 0.9, white * rng.uniform(1.3, 2.0), rng.uniform(0.0, 0.5), white * 1.8),
        "clouds": (blue, pale, rng.uniform(0.45, 0.8), white * rng.uniform(0.7, 1.4)),
        "overcast": (
            white * rng.uniform(0.7, 1.1),
            white * rng.uniform(0.6, 1.1),
            rng.uniform(0.3, 0.9),
            white * rng.uniform(0.45, 0.9),
        ),
        "lowsun": (blue * 0.9, pale * (1.05, 0.95, 0.8), rng.uniform(0.1, 0.6), white * (1.3, 1.1, 0.9)),
        "dusk": (
            blue * 0.30,
            np.array([0.50, 0.40, 0.36]) * rng.uniform(0.6, 1.1),
            rng.uniform(0.2, 0.8),
            np.array([0.22, 0.22, 0.26]),
        ),
    }[kind]
    if drive:  # a fair day with the sun behind the camera's left shoulder
        elevation, azimuth, sun, warmth = math.radians(34), math.radians(215), 6.0, (1.0, 0.92, 0.80)
    haze = {0: 0.0008, 1: 0.002, 2: 0.005, 3: 0.011}[
        rng.choices([0, 1, 2, 3], [0.52, 0.32, 0.12, 0.04])[0]
    ] * rng.uniform(0.7, 1.4)
    key = {
        "dusk": rng.uniform(0.018, 0.045),
        "clouds": rng.uniform(0.035, 0.10),
        "overcast": rng.uniform(0.04, 0.11),
    }.get(kind, rng.uniform(0.05, 0.13))
    if drive:
        haze, key = 0.0012, 0.11
    elif rng.random() < 0.10:
        key *= rng.choice([0.5, 1.8])
    return Weather(kind, elevation, azimuth, sun, warmth, rng.uniform(0.5, 4), zenith, horizon, cover, cloud, haze, key)


@lru_cache(maxsize=1)
def _directions(height, width):
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    el, az = (v - 0.5) * math.pi, (0.5 - u) * 2 * math.pi
    return np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)], -1)


@lru_cache(maxsize=8)
def _clouds(variant, n=1024):
    rng = array_stream("clouds", variant)
    return (0.75 * fractal(rng, n, 3.2) + 0.35 * fractal(rng, n, 2.3)).astype(np.float32)


def sky_image(weather, seed, height=512, width=1024):
    """Radiance around the scene (rows from below to above), float32 RGBA."""
    rng = stream(seed, "sky")
    d = _directions(height, width)
    up = np.clip(d[..., 2], 0, 1)[..., None]
    sky = weather.horizon + (weather.zenith - weather.horizon) * up ** rng.uniform(0.35, 0.6)
    s = np.array(
        [
            math.cos(weather.elevation) * math.cos(weather.azimuth),
            math.cos(weather.elevation) * math.sin(weather.azimuth),
            math.sin(weather.elevation),
        ]
    )
    near = np.clip(d @ s, 0, 1)[..., None]
    glow = (0.35 * near**6 + 1.5 * near**60) * (0.15 + min(weather.sun, 4) / 4)
    sky = sky + glow * np.array(weather.warmth)
    noise = _clouds(rng.randrange(6))
    spot = d[..., :2] / (d[..., 2:] + 0.12) * rng.uniform(60, 160)
    shift = rng.randrange(1024), rng.randrange(1024)
    field = noise[(spot[..., 1].astype(int) + shift[0]) % 1024, (spot[..., 0].astype(int) + shift[1]) % 1024]
    edge = 1.6 - 3.2 * weather.cover
    mask = np.clip((field - edge) / rng.uniform(0.6, 1.6), 0, 1)[..., None] * np.clip(d[..., 2:] * 6, 0, 1)
    shade = 1 - 0.35 * np.clip(field - edge - 1, 0, 1.2)[..., None]
    sky = sky * (1 - mask) + mask * weather.cloud * shade * (1 + 0.6 * near**4)
    ground = weather.horizon * 0.25
    sky = np.where(d[..., 2:] < -0.01, ground, sky)
    return np.concatenate([sky, np.ones((*sky.shape[:2], 1))], -1).astype(np.float32)


def hang(scene, weather, seed):
    """Put sky and sun into a Blender scene."""
    import bpy

    image = bpy.data.images.new("sky", 1024, 512, float_buffer=True, alpha=False)
    image.pixels.foreach_set(sky_image(weather, seed).ravel())
    image.update()
    world = bpy.data.worlds.new("sky")
    scene.world, world.use_nodes = world, True
    tree = world.node_tree
    tex = tree.nodes.new("ShaderNodeTexEnvironment")
    tex.image = image
    tree.links.new(tex.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    world.mist_settings.start, world.mist_settings.depth, world.mist_settings.falloff = 0, 500, "LINEAR"
    if weather.sun > 0:
        light = bpy.data.lights.new("sun", "SUN")
        light.energy, light.color, light.angle = weather.sun, weather.warmth, math.radians(weather.softness)
        ob = bpy.data.objects.new("sun", light)
        ob.rotation_euler = (math.pi / 2 - weather.elevation, 0, weather.azimuth + math.pi / 2)
        scene.collection.objects.link(ob)
