"""The cascade on video: read a clip, time it against the dense network frame by frame, write a film.

Everything is lazy: one frame is in memory at a time, however long the clip. PyAV (extra `notebooks`) is imported when
a clip is opened or written, so that `import lcnb.video` works without it.
"""

from lcnb.video.clips import LONGEST, Clip, VideoError, write_video
from lcnb.video.compare import Compared, Duel, Side, Summary, fps
from lcnb.video.drawing import Painter

__all__ = [
    "LONGEST",
    "Clip",
    "Compared",
    "Duel",
    "Painter",
    "Side",
    "Summary",
    "VideoError",
    "fps",
    "write_video",
]
