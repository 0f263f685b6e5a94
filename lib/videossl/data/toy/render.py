"""From joints to pictures to a file: the camera, the backdrop, the drawing, the video.

cv2 and av are imported where they are used: whoever only reads the toy set's lists needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videossl.data.toy.figure import INDEX, Floats

Picture = NDArray[np.uint8]
FPS = 30
OVERSAMPLE = 2  # drawn so much larger, then averaged over areas
_FINE = 4  # bits of a pixel's fraction given to cv2
_DISTANCE = 4.0  # metres from the camera to the figure's middle
_MIDDLE = 1.0  # metres above the floor: what the cameras look at


@dataclass(frozen=True)
class Camera:
    """A camera that looks at the figure's middle. Lengths in pictures are shares of the picture's side."""

    yaw: float  # degrees the figure is turned to its left, seen from the camera
    elevation: float  # degrees the camera stands above the figure's middle
    metre: float  # share of the picture that a metre of the figure takes
    place: tuple[float, float]  # of the figure's middle, right and down from the picture's middle


@dataclass(frozen=True)
class Clothes:
    """Colours (RGB, 0-255) and the thickness of the limbs relative to a standard figure."""

    shirt: tuple[int, int, int]
    trousers: tuple[int, int, int]
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    thickness: float


# joint, joint, thickness in metres, what it wears
_LIMBS = [
    (near + side, far + side, thickness, part)
    for side in ("Left", "Right")
    for near, far, thickness, part in (
        ("Shoulder", "Elbow", 0.125, "shirt"),
        ("Elbow", "Wrist", 0.105, "skin"),
        ("Wrist", "HandTip", 0.105, "skin"),
        ("Hip", "Knee", 0.175, "trousers"),
        ("Knee", "Ankle", 0.135, "trousers"),
        ("Ankle", "Foot", 0.105, "hair"),
    )
]
_TRUNK = ("ShoulderLeft", "ShoulderRight", "HipRight", "HipLeft")
UNIFORM = Clothes(shirt=(190, 190, 190), trousers=(140, 140, 140), skin=(195, 156, 127), hair=(90, 90, 90), thickness=1.0)


def draw_camera(rng: np.random.Generator) -> Camera:
    """A view of the picture's camera: yaw +-35 degrees, elevation 0-15, a little off the middle."""
    right, down = rng.uniform(-0.07, 0.07, size=2)
    return Camera(
        yaw=rng.uniform(-35, 35),
        elevation=rng.uniform(0, 15),
        metre=rng.uniform(0.36, 0.45),
        place=(float(right), float(down)),
    )


def draw_clothes(rng: np.random.Generator) -> Clothes:
    """One subject's clothes: bright, so that the figure stands out from the backdrop."""

    def colour(low: int, high: int) -> tuple[int, int, int]:
        red, green, blue = rng.integers(low, high, size=3)
        return int(red), int(green), int(blue)

    return Clothes(
        shirt=colour(150, 230),
        trousers=colour(105, 175),
        skin=(tone := int(rng.integers(165, 225)), int(tone * 0.8), int(tone * 0.65)),
        hair=colour(70, 110),
        thickness=float(rng.uniform(0.9, 1.15)),
    )


def seen(joints: Floats, yaw: float, elevation: float, distance: float) -> Floats:
    """Joints in the space of a Kinect that looks at the figure's middle, as NTU RGB+D stores them.

    joints: (T, 25, 3) body axes over the floor, metres; yaw and elevation in degrees; distance to the
    figure's middle in metres. Returns (T, 25, 3) metres: x to the sensor's left, y up, z away from the
    sensor.
    """
    turn, tilt = np.radians(yaw), np.radians(elevation)
    x, y, z = np.moveaxis(joints - np.array([0.0, _MIDDLE, 0.0]), -1, 0)
    x, z = x * np.cos(turn) + z * np.sin(turn), -x * np.sin(turn) + z * np.cos(turn)
    y, z = y * np.cos(tilt) + z * np.sin(tilt), -y * np.sin(tilt) + z * np.cos(tilt)
    return np.stack([x, y, z + distance], axis=-1)


def project(joints: Floats, camera: Camera, size: int) -> Floats:
    """Place joints in a picture of size x size.

    joints: (T, 25, 3) body axes over the floor, metres. Returns (T, 25, 3): x right and y down in pixels,
    whose middles have integer coordinates, and the pixels a metre takes there, more towards the camera.
    """
    space = seen(joints, camera.yaw, camera.elevation, _DISTANCE)
    scale = camera.metre * size * _DISTANCE / space[..., 2]
    middle = (size - 1) / 2 + np.array(camera.place) * size
    return np.stack([middle[0] - space[..., 0] * scale, middle[1] - space[..., 1] * scale, scale], axis=-1)


def backdrop(rng: np.random.Generator, size: int) -> Picture:
    """A dark room with a low-contrast texture, (M, M, 3) uint8, oversampled and with a margin for the shake.

    The texture is for optical flow to hold on to; that it is dark keeps the figure the brightest thing.
    """
    import cv2

    side = OVERSAMPLE * (size + 2 * margin(size))
    texture = np.zeros((side, side))
    for cells in (6, 12, 24):
        texture += cv2.resize(rng.standard_normal((cells, cells)), (side, side), interpolation=cv2.INTER_CUBIC)
    height = np.linspace(-1, 1, side)[:, None]
    level = 38.0 + 7.0 * texture + np.where(height > 0.55, 14.0, 0.0)
    return np.asarray(np.clip(level[..., None] * np.array([0.9, 0.95, 1.1]), 0, 255).astype(np.uint8))


def margin(size: int) -> int:
    """Pixels of backdrop around a picture of `size`: more than a shake can ask for."""
    return max(4, size // 12)


def draw(joints: Floats, camera: Camera, shake: Floats, clothes: Clothes, room: Picture, size: int) -> Picture:
    """Film a figure: `(T, size, size, 3)` uint8 RGB.

    joints: (T, 25, 3) body axes over the floor, metres; shake: (T, 2) pixels right and down that the whole
    picture moves; room: from `backdrop` for the same size.
    """
    import cv2

    screen = project(np.concatenate([joints, _crown(joints)], axis=1), camera, size)
    screen[..., :2] += shake[:, None]
    # A pixel's middle x lies at OVERSAMPLE * (x + 1/2) - 1/2 of the larger picture.
    half = np.array([0.5, 0.5, 0.0])
    screen = (screen + half) * OVERSAMPLE - half
    frames = np.empty((len(screen), size, size, 3), np.uint8)
    for number, (points, (right, down)) in enumerate(zip(screen, shake, strict=True)):
        large = _shifted(room, right, down, size)
        _figure(large, points, clothes)
        frames[number] = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return frames


def _crown(joints: Floats) -> Floats:
    """The back of the head, where the hair is: (T, 25, 3) -> (T, 1, 3) metres."""
    head = joints[:, INDEX["Head"]]
    up = _unit(head - joints[:, INDEX["Neck"]])
    back = _unit(np.cross(joints[:, INDEX["ShoulderRight"]] - joints[:, INDEX["ShoulderLeft"]], up))
    return (head + 0.06 * up + 0.06 * back)[:, None]


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _shifted(backdrop: Picture, right: float, down: float, size: int) -> Picture:
    """The part of the backdrop in view when the picture moves by (right, down) pixels."""
    import cv2

    edge, side = margin(size), OVERSAMPLE * size
    move = np.array([[1.0, 0.0, OVERSAMPLE * (right - edge)], [0.0, 1.0, OVERSAMPLE * (down - edge)]])
    return np.asarray(cv2.warpAffine(backdrop, move, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def _figure(picture: Picture, points: Floats, clothes: Clothes) -> None:
    """Draw one figure into `picture`, farthest parts first. points: (26, 3), joints and crown projected."""
    parts = [(points[[INDEX[start], INDEX[end]]], metres, getattr(clothes, wear)) for start, end, metres, wear in _LIMBS]
    parts.append((points[[INDEX[name] for name in _TRUNK]], 0.16, clothes.shirt))
    parts.append((points[[INDEX["SpineShoulder"], INDEX["Neck"]]], 0.12, clothes.skin))
    parts.append((points[[INDEX["Head"], INDEX["Head"]]], 0.26, clothes.skin))
    parts.append((points[[-1, -1]], 0.24, clothes.hair))
    middle = points[INDEX["SpineMid"], 2]
    for corners, metres, colour in sorted(parts, key=lambda part: float(part[0][:, 2].mean())):
        # What is farther is darker, so that limbs in front of the trunk, or of another limb, stand out.
        shade = 1.0 + 3.0 * (corners[:, 2].mean() / middle - 1.0)
        lit = tuple(int(np.clip(value * shade, 0, 255)) for value in colour)
        _shape(picture, corners, metres * clothes.thickness, lit)


def _shape(picture: Picture, corners: Floats, metres: float, colour: tuple[int, ...]) -> None:
    """A filled shape with a round edge `metres` thick: two corners are a limb, more a convex body."""
    import cv2

    if len(corners) > 2:
        cv2.fillConvexPoly(picture, cv2.convexHull(_fixed(corners)), colour, cv2.LINE_AA, _FINE)
    for start, end in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        _line(picture, start, end, metres, colour)


def _line(picture: Picture, start: Floats, end: Floats, thickness: float, colour: tuple[int, ...]) -> None:
    """A line with round ends, `thickness` in metres, between two points (x, y, pixels a metre)."""
    import cv2

    pixels = max(1, round(thickness * (start[2] + end[2]) / 2))
    first, last = _fixed(np.stack([start, end])).tolist()
    cv2.line(picture, first, last, colour, pixels, cv2.LINE_AA, _FINE)


def _fixed(points: Floats) -> NDArray[np.int32]:
    """Points `(N, 2+)` in pixels as cv2's fixed-point numbers (N, 2)."""
    return np.asarray(np.round(points[:, :2] * (1 << _FINE)), np.int32)


def write_video(path: Path, frames: Picture) -> None:
    """Write `frames (T, H, W, 3)` uint8 RGB as FFV1 in AVI, 30 a second; equal frames are equal bytes.

    Lossless at twice the size of Motion-JPEG, whose noise moves TV-L1 flow by 0.03-0.05 pixels.
    """
    import av

    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("ffv1", rate=Fraction(FPS), options={"coder": "1", "slices": "4"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
