"""The toy benchmark's generator: a jointed figure, twelve motions, a camera and a pen.

`figure` has the joints and their forward kinematics, `motions` the actions, `render` the picture, `scenery` what stands in the room. Which
videos there are, and what varies between them, stands in `videossl.datasets.toy`; docs/toy.md says why.
"""
