"""Blender materials: one image times one face colour, a roughness, and little else, so that shading stays fast.

Materials live as long as the process and never depend on a scene; wet variants are separate materials (``*_wet``).
"""

import os
import tempfile

import bpy
import numpy as np
from PIL import Image

from . import atlases, textures

_folder = tempfile.mkdtemp(prefix="streets_textures_")

# name: (image, tile in metres, roughness, further settings)
TABLE = {
    "asphalt": ("asphalt", 2.5, 0.85, {"wear": 18}),
    "asphalt_wet": ("asphalt", 2.5, 0.2, {"wear": 18, "wet": True}),
    "paving": ("paving", 2.4, 0.85, {"wear": 18}),
    "paving_wet": ("paving", 2.4, 0.25, {"wear": 18, "wet": True}),
    "blocks": ("blocks", 1.6, 0.85, {"wear": 18}),
    "blocks_wet": ("blocks", 1.6, 0.28, {"wear": 18, "wet": True}),
    "setts": ("setts", 2.0, 0.7, {"wear": 18}),
    "setts_wet": ("setts", 2.0, 0.2, {"wear": 18, "wet": True}),
    "concrete": ("concrete", 3.0, 0.8, {"wear": 18}),
    "concrete_wet": ("concrete", 3.0, 0.3, {"wear": 18, "wet": True}),
    "marking": ("worn_paint", 0.9, 0.7, {}),
    "grass": ("grass", 3.0, 0.9, {"wear": 18}),
    **{name: (name, 2.25, 0.9, {}) for name in textures.BRICKS},
    "ashlar": ("ashlar", 3.0, 0.85, {}),
    "plaster": ("plaster", 4.0, 0.8, {}),
    "cladding": ("cladding", 2.0, 0.6, {}),
    "worn_paint": ("worn_paint", 2.5, 0.5, {}),
    "tiles": ("tiles", 2.4, 0.6, {}),
    "wood": ("wood", 1.0, 0.75, {}),
    "bark": ("bark", 0.7, 0.9, {}),
    "cloth": ("cloth", 0.6, 0.9, {}),
    "plain": (None, 1, 0.75, {}),
    "leaf": (None, 1, 0.6, {}),
    "skin": (None, 1, 0.55, {}),
    "hair": (None, 1, 0.6, {}),
    "metal": (None, 1, 0.4, {"metallic": 0.7}),
    "steel": (None, 1, 0.3, {"metallic": 1.0}),
    "paint": (None, 1, 0.45, {}),
    "rubber": (None, 1, 0.8, {}),
    "gloss": (None, 1, 0.08, {}),
    "carpaint": (None, 1, 0.35, {"coat": 1.0}),
    "glass": (None, 1, 0.03, {}),
    "lamp": (None, 1, 0.5, {"emit": 1.0}),
    "glow": (None, 1, 0.5, {"emit": 3.0}),
    "beam": (None, 1, 0.5, {"emit": 25.0}),
    **{name: (name, 1, None, {}) for name in ("windows", "doors", "shopfronts")},
    **{name: (name, 1, 0.5, {}) for name in ("fascias", "roadsigns", "posters")},
}


def tiling(name):
    """What metres are multiplied by to give texture coordinates (1 for picture sheets)."""
    return 1.0 / TABLE[name][1]


def get(name):
    return bpy.data.materials.get(name) or _build(name)


def _image(name):
    """The Blender image of a texture, drawn on first use and handed over as a file."""
    if name in bpy.data.images:
        return bpy.data.images[name]
    pixels = atlases.sheet(name) if name in atlases.SHEETS else np.uint8(textures.surface(name) * 255 + 0.5)
    path = os.path.join(_folder, name + ".png")
    Image.fromarray(pixels).save(path, compress_level=1)
    image = bpy.data.images.load(path)
    image.name, image.alpha_mode = name, "CHANNEL_PACKED"
    return image


def _build(name):
    picture, _, rough, extra = TABLE[name]
    mat = bpy.data.materials.new(name)
    mat.use_nodes = True
    nodes, link = mat.node_tree.nodes, mat.node_tree.links.new
    bsdf = nodes["Principled BSDF"]
    colour = nodes.new("ShaderNodeVertexColor")
    colour.layer_name = "Col"
    out = colour.outputs["Color"]
    if picture:
        tex = nodes.new("ShaderNodeTexImage")
        tex.image = _image(picture)
        out = _multiply(nodes, link, out, tex.outputs["Color"])
        if rough is None:  # picture sheets keep roughness in alpha: glass is 0
            ramp = nodes.new("ShaderNodeMapRange")
            ramp.inputs["To Min"].default_value, ramp.inputs["To Max"].default_value = 0.04, 0.7
            link(tex.outputs["Alpha"], ramp.inputs["Value"])
            link(ramp.outputs["Result"], bsdf.inputs["Roughness"])
    if extra.get("wear"):
        out = _wear(nodes, link, out, bsdf, TABLE[name][1] / extra["wear"], extra.get("wet"), rough)
    link(out, bsdf.inputs["Base Color"])
    if rough is not None and not extra.get("wet"):
        bsdf.inputs["Roughness"].default_value = rough
    bsdf.inputs["Metallic"].default_value = extra.get("metallic", 0.0)
    bsdf.inputs["Coat Weight"].default_value = extra.get("coat", 0.0)
    if "emit" in extra:
        link(out, bsdf.inputs["Emission Color"])
        bsdf.inputs["Emission Strength"].default_value = extra["emit"]
        mat.cycles.emission_sampling = "NONE"  # seen, but too small to light the street
    return mat


def _multiply(nodes, link, a, b):
    mix = nodes.new("ShaderNodeMix")
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    mix.inputs["Factor"].default_value = 1.0
    link(a, mix.inputs["A"])
    link(b, mix.inputs["B"])
    return mix.outputs["Result"]


def _wear(nodes, link, out, bsdf, scale, wet, rough):
    """Large-scale stains over a ground; where it is wet, the darker places are the puddles."""
    where = nodes.new("ShaderNodeUVMap")
    size = nodes.new("ShaderNodeVectorMath")
    size.operation = "SCALE"
    size.inputs["Scale"].default_value = scale
    tex = nodes.new("ShaderNodeTexImage")
    tex.image = _image("ground_wear")
    link(where.outputs["UV"], size.inputs[0])
    link(size.outputs["Vector"], tex.inputs["Vector"])
    if wet:
        ramp = nodes.new("ShaderNodeMapRange")
        for socket, value in (("From Min", 0.55), ("From Max", 0.8), ("To Min", 0.04), ("To Max", rough + 0.25)):
            ramp.inputs[socket].default_value = value
        link(tex.outputs["Color"], ramp.inputs["Value"])
        link(ramp.outputs["Result"], bsdf.inputs["Roughness"])
    return _multiply(nodes, link, out, tex.outputs["Color"])
