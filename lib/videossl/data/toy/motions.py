"""Twelve actions as joint angles over one period; they differ in nothing but the motion.

A motion takes `phase` (T,) radians and an amplitude (1 as written), and gives the angles of the joints it
moves, in degrees as `figure.rotations` reads them: (flex, turn, spread), each a number or one a frame. Limbs
are written for a figure that leads with its right side; `angles` mirrors it. "Lift" is the height of the feet
above the floor in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from videossl.data.ntu_skeleton import JOINTS
from videossl.data.toy.figure import INDEX, MIRROR, Floats

Triple = tuple[Floats | float, Floats | float, Floats | float]
Moves = dict[str, Triple]


def swell(phase: Floats) -> Floats:
    """From 0 at phase 0 to 1 at half the period and back, (T,)."""
    return (1.0 - np.cos(phase)) / 2.0


def wave(phase: Floats, amplitude: float) -> Moves:
    """One arm held out, its forearm swung from side to side."""
    return {"ShoulderRight": (0, 0, 100), "ElbowRight": (0, 0, 65 + 45 * amplitude * np.sin(phase))}


def clap(phase: Floats, amplitude: float) -> Moves:
    """Both arms held forward, apart and together."""
    apart = 50 * amplitude * swell(phase)
    return {
        "ShoulderRight": (80, -apart + 12, 0),
        "ShoulderLeft": (80, apart - 12, 0),
        "ElbowRight": (8, 15, 0),
        "ElbowLeft": (8, -15, 0),
    }


def jump(phase: Floats, amplitude: float) -> Moves:
    """Crouch with the arms back, then fly with the arms forward."""
    height, crouch = np.maximum(np.sin(phase), 0), np.maximum(-np.sin(phase), 0)
    arms: Triple = (70 * amplitude * height - 30 * crouch, 0, 0)
    return {
        **_crouch(45 * amplitude * crouch),
        "ShoulderRight": arms,
        "ShoulderLeft": arms,
        "Lift": (0, 0.32 * amplitude * height, 0),
    }


def squat(phase: Floats, amplitude: float) -> Moves:
    """Down on both knees and up, the arms coming forward."""
    down = amplitude * swell(phase)
    arms: Triple = (85 * down, 0, 0)
    return {**_crouch(85 * down), "ShoulderRight": arms, "ShoulderLeft": arms}


def kick(phase: Floats, amplitude: float) -> Moves:
    """One leg swung from behind to hip height."""
    leg = amplitude * swell(phase)
    return {
        "HipRight": (-20 + 115 * leg, 0, 0),
        "KneeRight": (-50 + 50 * np.minimum(leg, 1.0), 0, 0),
        "ShoulderLeft": (40 * leg, 0, 0),
        "ShoulderRight": (-30 * leg, 0, 10),
    }


def punch(phase: Floats, amplitude: float) -> Moves:
    """One fist thrust forward from the chest, the other on guard."""
    reach = amplitude * swell(phase)
    return {
        "SpineMid": (0, 25 * reach, 0),
        "ShoulderRight": (5 + 80 * reach, 0, 5),
        "ElbowRight": (130 - 125 * np.minimum(reach, 1.0), 0, 0),
        "ShoulderLeft": (25, 0, -5),
        "ElbowLeft": (115, 0, 0),
    }


def bow(phase: Floats, amplitude: float) -> Moves:
    """The trunk bent forward from the hips."""
    lean = 75 * amplitude * swell(phase)
    legs, arms = (lean, 0, 0), (0.6 * lean, 0, 0)
    return {
        "SpineBase": (-lean, 0, 0),
        "HipRight": legs,
        "HipLeft": legs,
        "ShoulderRight": arms,
        "ShoulderLeft": arms,
    }


def walk(phase: Floats, amplitude: float) -> Moves:
    """Walk on the spot; the arms swing opposite to the legs."""

    def leg(phase: Floats) -> tuple[Triple, Triple]:
        hip, knee = 10 + 40 * amplitude * np.sin(phase), -12 - 65 * amplitude * swell(phase + np.pi / 2) ** 2
        return (hip, 0, 0), (knee, 0, 0)

    right, left = leg(phase), leg(phase + np.pi)
    swing = 42 * amplitude * np.sin(phase)
    return {
        "HipRight": right[0],
        "KneeRight": right[1],
        "HipLeft": left[0],
        "KneeLeft": left[1],
        "ShoulderRight": (-swing, 0, 0),
        "ShoulderLeft": (swing, 0, 0),
        "ElbowRight": (25 - 0.4 * swing, 0, 0),
        "ElbowLeft": (25 + 0.4 * swing, 0, 0),
    }


def turn(phase: Floats, amplitude: float) -> Moves:
    """The whole figure turned from side to side, arms a little out."""
    arm = 35 + 10 * np.sin(phase)
    return {
        "SpineBase": (0, 75 * amplitude * np.sin(phase), 0),
        "ShoulderRight": (0, 0, arm),
        "ShoulderLeft": (0, 0, -arm),
    }


def throw(phase: Floats, amplitude: float) -> Moves:
    """One arm from behind the head over and forward, the trunk twisting along."""
    # The arm goes back slowly and comes over fast: a phase that runs unevenly.
    over = swell(phase + 0.6 * np.sin(phase))
    return {
        "SpineMid": (8 - 25 * over, -35 + 65 * amplitude * over, 0),
        "ShoulderRight": (205 - 165 * amplitude * over, 0, 15),
        "ElbowRight": (85 - 80 * over, 0, 0),
        "ShoulderLeft": (60 - 50 * over, 0, -10),
    }


def jumping_jack(phase: Floats, amplitude: float) -> Moves:
    """Arms and legs out sideways and back, with a hop."""
    out = amplitude * swell(phase)
    return {
        "ShoulderRight": (0, 0, 10 + 140 * out),
        "ShoulderLeft": (0, 0, -10 - 140 * out),
        "HipRight": (0, 0, 26 * out),
        "HipLeft": (0, 0, -26 * out),
        "Lift": (0, 0.10 * np.sin(phase) ** 2, 0),
    }


def raise_arms(phase: Floats, amplitude: float) -> Moves:
    """Both arms forward, up over the head and back."""
    arms: Triple = (10 + 160 * amplitude * swell(phase), 0, 0)
    return {"ShoulderRight": arms, "ShoulderLeft": arms}


def _crouch(bend: Floats) -> Moves:
    """Bend hips and knees so that the feet stay under the trunk, which leans forward. bend: (T,) degrees."""
    hips, knees, ankles = (1.35 * bend, 0, 0), (-1.45 * bend, 0, 0), (0.5 * bend, 0, 0)
    return {
        "SpineBase": (-0.4 * bend, 0, 0),
        "HipRight": hips,
        "HipLeft": hips,
        "KneeRight": knees,
        "KneeLeft": knees,
        "AnkleRight": ankles,
        "AnkleLeft": ankles,
    }


ACTIONS: Mapping[str, Callable[[Floats, float], Moves]] = {
    "Wave": wave,
    "Clap": clap,
    "Jump": jump,
    "Squat": squat,
    "Kick": kick,
    "Punch": punch,
    "Bow": bow,
    "Walk": walk,
    "Turn": turn,
    "Throw": throw,
    "JumpingJack": jumping_jack,
    "RaiseArms": raise_arms,
}

# A standing figure: what a motion leaves alone.
_IDLE: Moves = {
    "ShoulderRight": (0, 0, 10),
    "ShoulderLeft": (0, 0, -10),
    "ElbowRight": (12, 0, 0),
    "ElbowLeft": (12, 0, 0),
}


def angles(action: str, phase: Floats, amplitude: float, left: bool) -> tuple[Floats, Floats]:
    """Joint angles `(T, 25, 3)` in degrees and lift `(T,)` in metres of `action` at `phase` (T,) radians.

    left: the figure leads with its left side. Periodic in `phase` with 2 pi.
    """
    moves = {**_IDLE, **ACTIONS[action](phase, amplitude)}
    lift = np.broadcast_to(moves.pop("Lift", (0.0, 0.0, 0.0))[1], phase.shape)
    result = np.zeros((len(phase), len(JOINTS), 3))
    for joint, triple in moves.items():
        for axis, value in enumerate(triple):
            result[:, INDEX[joint], axis] = value
    return (mirrored(result) if left else result), np.asarray(lift, dtype=np.float64)


def mirrored(angles: Floats) -> Floats:
    """Angles (T, 25, 3) of the pose seen in a mirror: sides change places, turn and spread their sign."""
    return np.asarray(angles[:, MIRROR] * np.array([1.0, -1.0, -1.0]))
