"""The stage: a clean Blender scene, and objects put on it with a class each."""

import bpy
from mathutils import Matrix

KEEP = ("materials", "images")  # textures are shared by all frames of a process


class Stage:
    def __init__(self):
        self.scene, self.made, self.count = bpy.context.scene, {}, 0

    def put(self, cls, mesh, matrix=None, key=None):
        """Show a mesh as an object of a class; equal keys share one Blender mesh (an instance)."""
        if not mesh.chunks:
            return
        data = self.made.get((key, cls)) if key else None
        if data is None:
            data = mesh.to_blender("m")
            if key:
                self.made[key, cls] = data
        ob = bpy.data.objects.new(f"{cls}_{self.count}", data)  # the name carries the class into the label pass
        self.count += 1
        if matrix is not None:
            ob.matrix_world = Matrix(matrix.tolist())
        self.scene.collection.objects.link(ob)

    def put_all(self, parts, matrix=None, key=None):
        for cls in sorted(parts):
            self.put(cls, parts[cls], matrix, key)


def clear():
    """Empty the scene but keep materials and textures."""
    for kind in ("objects", "meshes", "lights", "cameras", "worlds"):
        bpy.data.batch_remove(list(getattr(bpy.data, kind)))
    for image in [i for i in bpy.data.images if i.name.startswith("sky") or i.name == "Render Result"]:
        bpy.data.images.remove(image)
    return Stage()
