"""The model card of an encoder: data, recipe, numbers, licence and how to load it, from the provenance of its weights and the results of its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from videossl import registry
from videossl.files import read_json
from videossl.use.model import Model


def text(model: Model, licence: str) -> str:
    """The card as Markdown, with the head in YAML that the hub reads. licence: of the weights, as the hub names licences."""
    numbers = [number for path in model.results for number in _numbers(read_json(path), model.stream)]
    head = yaml.safe_dump(_head(model, licence, numbers), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{_body(model, licence, numbers)}"


def _numbers(result: Mapping[str, Any], stream: str) -> list[dict[str, Any]]:
    """The numbers of a results file for a stream, each beside chance and what it rests on."""
    of_result = {key: result[key] for key in ("dataset", "task", "counts")}
    values = result["values"].get(stream, {})
    return [of_result | {"metric": metric, "value": value, "chance": _chance(result["chance"], metric)} for metric, value in values.items()]


def _chance(chance: Any, metric: str) -> float | None:
    """Chance of a metric, in a results file by its name."""
    return chance.get(metric) if isinstance(chance, dict) else None


def _head(model: Model, licence: str, numbers: list[dict[str, Any]]) -> dict[str, Any]:
    """The head of the card; the hub shows the numbers of `model-index`."""
    method, encoder = model.made_from["params"].get("method", ""), model.settings["encoder"]
    head = {
        "library_name": "videossl",
        "license": licence,
        "tags": ["video", "self-supervised", "feature-extraction", model.settings["modality"], encoder, method],
        "datasets": [model.reading.dataset],
    }
    if not numbers:
        return head
    results = [
        {
            "task": {"type": "video-classification", "name": number["task"]},
            "dataset": {"type": number["dataset"], "name": number["dataset"]},
            "metrics": [{"type": number["metric"], "name": f"{number['metric']} (%)", "value": round(number["value"], 2)}],
        }
        for number in numbers
    ]
    metrics = list(dict.fromkeys(number["metric"] for number in numbers))
    return head | {"metrics": metrics, "model-index": [{"name": _title(model), "results": results}]}


def _title(model: Model) -> str:
    """The name of the model: its experiment and stream."""
    return f"{model.made_from.get('experiment', 'encoder')} {model.stream}"


def _body(model: Model, licence: str, numbers: list[dict[str, Any]]) -> str:
    """The card below its head."""
    made, shape = model.made_from, " x ".join(map(str, model.input_shape[1:]))
    params, dataset = made["params"], registry.module("datasets", model.reading.dataset)
    settings = params.get("settings", {}).get(model.stream, {})
    recipe = json.dumps(
        {"method": params.get("method"), "training": params.get("training"), "settings": settings}, indent=1, sort_keys=True
    )
    extractor = json.dumps(model.reading.extract.made_by(), sort_keys=True)
    return f"""# {_title(model)}

An encoder of {model.settings["modality"]} ({model.settings["encoder"]}) that was trained by {params.get("method")} with videossl. It makes
{model.encoder.out_features} numbers of a clip of shape {shape}.

## How to load it

```python
import videossl

model = videossl.load("path/to/this/folder")
for row in model.embed("video.mp4"):
    print(row.start_s, row.end_s, row.features.shape)
```

## Numbers

{_table(numbers)}

## Data

Trained on {model.reading.dataset}. Its licence: {" ".join(str(dataset.LICENCE).split())}

- digest of index and caches: `{made.get("data", "")}`
- how videos are read: `{extractor}`

## Recipe

```json
{recipe}
```

- code: `{made.get("code", "")}` of `{made.get("script", "")}`, seed {made.get("seed")}, torch {made.get("versions", {}).get("torch", "")}, {made.get("device", "")}
- weights that it began from: {", ".join(f"{name} `{digest}`" for name, digest in made.get("weights", {}).items()) or "none"}
- SHA-256 of the encoder: `{model.digest}`

## Licence

The weights: {licence}. The data have a licence of their own, above; it may limit what the weights may be used for.
"""


def _table(numbers: list[dict[str, Any]]) -> str:
    """Numbers as a table, in percent."""
    if not numbers:
        return "None are known of this file. `videossl export RUN/EXPERIMENT/STREAM` adds those of the run."
    lines = ["| data | task | metric | value | chance | rests on |", "| --- | --- | --- | --- | --- | --- |"]
    for number in numbers:
        chance = "" if number["chance"] is None else f"{number['chance']:.1f}"
        rests = ", ".join(f"{key} {count}" for key, count in number["counts"].items())
        lines.append(f"| {number['dataset']} | {number['task']} | {number['metric']} | {number['value']:.1f} | {chance} | {rests} |")
    return "\n".join(lines)
