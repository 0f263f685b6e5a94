"""What every modality declares and has, whatever it is."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import jsonschema
import numpy as np
import pytest
from tests.conftest import REPOSITORY

from videossl import registry, skeleton_graphs
from videossl.data import cache

NAMES = registry.names("modalities")
CACHED = [name for name in NAMES if "cached" in registry.declared("modalities", name)]
CLIPS: dict[str, dict[str, Any]] = {
    "rgb": {"clip": {"frames": 8, "stride": 2, "size": 32}},
    "flow": {"clip": {"frames": 8, "stride": 1, "size": 48}},
    **{name: {"clip": {"frames": 12}} for name in ("joint", "motion", "bone")},
}
SHAPES = {"rgb": (3, 8, 32, 32), "flow": (2, 8, 48, 48), **dict.fromkeys(("joint", "motion", "bone"), (3, 12, 25, 2))}


@pytest.mark.parametrize("name", NAMES)
def test_a_modality_says_all_that_planning_asks(name: str) -> None:
    declared = registry.declared("modalities", name)
    assert declared["about"] and declared["axes"][:2] == ["channel", "time"] and declared["channels"] > 0
    assert isinstance(declared["order"], int) and isinstance(declared.get("whole", False), bool)
    for part in ("clip", "augment"):
        jsonschema.Draft202012Validator.check_schema(declared[part])
        properties = declared[part]["properties"]
        optional = {key for key, about in properties.items() if "as when absent" in about.get("description", "")}
        assert declared[part]["additionalProperties"] is False and set(declared[part]["required"]) == properties.keys() - optional
        assert "$ref" not in str(declared[part]), "it stands alone"
    if "reads" in declared:
        assert declared["reads"] in CACHED and not {"cached", "extractors", "section", "sizes"} & declared.keys()
    else:
        assert declared["extractors"] and cache.layout(name).dtype


@pytest.mark.parametrize("name", CACHED)
def test_a_cached_modality_says_how_it_is_made(name: str) -> None:
    declared, layout = registry.declared("modalities", name), cache.layout(name)
    assert layout.shape[0] is None and (not layout.pictures or {"step", "shares"} == layout.jpeg.keys())
    for backend, extractor in declared["extractors"].items():
        assert "module" not in extractor or (REPOSITORY / f"lib/videossl/extract/{extractor['module']}.py").is_file()
        assert extractor["made_of"] in ("video", "skeleton") and isinstance(extractor.get("gpu", False), bool)
        assert extractor["mem_mb"] >= 1000 and extractor["runtime"] >= 60
        assert "cache.shards" in extractor["slice"]
        assert backend == "" or backend in declared["section"]["schema"]["properties"]["backend"]["enum"]
    for extents in declared.get("sizes", {}).values():
        assert extents.keys() == declared["extractors"].keys()


def test_places_in_tables() -> None:
    places = {name: registry.declared("modalities", name)["order"] for name in NAMES}
    assert len(set(places.values())) == len(places)
    assert sorted(CLIPS, key=places.__getitem__) == ["rgb", "flow", "joint", "motion", "bone"]


@pytest.mark.parametrize("name", CACHED)
def test_a_section_is_a_schema_that_its_defaults_fit(name: str) -> None:
    section = registry.declared("modalities", name).get("section")
    if section is None:
        return
    jsonschema.Draft202012Validator.check_schema(section["schema"])
    without = {**section["schema"], "required": ["backend"]}  # what has no default is asked of params.yaml
    for backend, defaults in section.get("defaults", {}).items():
        jsonschema.validate({"backend": backend} | defaults, without)
        assert defaults.get("weights", "") in ("", *section["named_weights"])


def test_sections_as_they_are_known() -> None:
    flow, skeleton = (registry.declared("modalities", name)["section"] for name in ("flow", "joint"))
    assert (flow["name"], flow["required"]) == ("flow", True) and (skeleton["name"], skeleton["required"]) == ("skeleton", False)
    assert skeleton["defaults"] == {"keypoint-rcnn": {"weights": "coco", "score": 0.7, "short_side": 800, "batch": 8}}
    for section, good, bad in (
        (flow, {"backend": "tvl1", "bound": 20, "warps": 2}, {"backend": "dis", "bound": 20, "warps": 2}),
        (skeleton, {"backend": "keypoint-rcnn", "score": 0.5}, {"backend": "files", "score": 0.5}),
    ):
        jsonschema.validate(good, section["schema"])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, section["schema"])


def test_joints_are_as_many_as_the_graphs_have() -> None:
    declared = registry.declared("modalities", "joint")
    of_datasets = [registry.declared("datasets", name).get("sizes", {}).get("joint") for name in registry.names("datasets")]
    made = {*declared["sizes"]["joint"].values(), *filter(None, of_datasets)}
    assert made == set(declared["cached"]["shape"][1]) == {graph.joints for graph in skeleton_graphs.GRAPHS.values()} == {17, 20, 25}


FUNCTIONS = {
    "load": ["cache", "video", "settings", "start"],
    "check": ["cache", "settings"],
    "span": ["settings"],
    "augmentation": ["settings", "attrs"],
    "input_shape": ["settings"],
    "handmade": ["cache", "video", "settings"],
    "pictures": ["cache", "video", "count"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_has_what_the_frame_calls(name: str) -> None:
    module = registry.module("modalities", name)
    for function, parameters in FUNCTIONS.items():
        taken = list(inspect.signature(getattr(module, function)).parameters.values())
        assert len(taken) == len(parameters) and all(parameter.kind == parameter.POSITIONAL_OR_KEYWORD for parameter in taken), function


@pytest.mark.parametrize("name", list(CLIPS))
def test_shapes(name: str) -> None:
    module, declared = registry.module("modalities", name), registry.declared("modalities", name)
    shape = module.input_shape(CLIPS[name])
    assert shape == SHAPES[name] and shape[0] == declared["channels"] and len(shape) == len(declared["axes"])
    assert module.span(CLIPS[name]) == {"rgb": 15, "flow": 8}.get(name)
    assert (module.span(CLIPS[name]) is None) == declared.get("whole", False)


def test_the_joints_of_a_graph_are_a_shape_s() -> None:
    assert registry.module("modalities", "bone").input_shape({"clip": {"frames": 5}, "graph": "coco"}) == (3, 5, 17, 2)


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_modality_loads_nothing_heavy(name: str) -> None:
    """A page that draws, and a process that only reads, start fast."""
    code = f"import sys, videossl.modalities.{name}; print(*sorted({{'torch', 'torchvision', 'av', 'cv2', 'PIL'}} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": "lib"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=REPOSITORY)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", list(CLIPS))
def test_what_an_encoder_is_given(name: str, tmp_path: Any) -> None:
    """From the cache through load, collate and augmentation: the input's shape, finite, twice the same."""
    import torch
    from tests.made import shard

    from videossl import seeding
    from videossl.data.cache import Cache
    from videossl.data.clips import collate

    augment = {
        "rgb": {"area": [0.5, 1.0], "flip": 0.5, "jitter": [0.1, 0.1, 0.1, 0.02], "jitter_p": 0.8, "grey_p": 0.1, "blur_p": 0.5,
                "blur_sigma": [0.1, 2.0], "normalise": [0.5, 0.25]},
        "flow": {"area": [0.5, 1.0], "flip": 0.5, "scale": 4.0},
    }.get(name, {"shear": 0.5, "padding": 6})  # fmt: skip
    rng = np.random.default_rng(0)
    source = registry.declared("modalities", name).get("reads", name)
    video = {"joint": rng.normal(size=(20, 25, 3, 2)).astype(np.float32)}.get(
        source, rng.integers(1, 256, (20, 40, 50, 3 if source == "rgb" else 2), np.uint8)
    )
    read = Cache([shard(tmp_path / "a.h5", source, [("v", video)], **({"bound": 20} if source == "flow" else {}))])
    module, settings = registry.module("modalities", name), CLIPS[name] | {"augment": augment}
    module.check(read, settings)
    clip = module.load(read, "v", settings, 3)
    views = [module.augmentation(settings, read.attrs).train(*collate([clip, clip]), [seeding.numpy_rng(0, b) for b in range(2)])
             for _ in range(2)]  # fmt: skip
    assert views[0].shape == (2, *module.input_shape(settings)) and torch.isfinite(views[0]).all() and torch.equal(*views)
