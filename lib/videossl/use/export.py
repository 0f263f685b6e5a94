"""Export an encoder to ONNX, to TorchScript, or to a folder in the layout of the Hugging Face hub, with a model card (model_card.py)."""

from __future__ import annotations

import importlib
import importlib.util
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from videossl.data import cache
from videossl.errors import InputError
from videossl.files import atomic, write_json
from videossl.train import weights
from videossl.use import model_card
from videossl.use.load import CONFIG, IN_FOLDER
from videossl.use.model import Model

TOLERANCE = 1e-4
"""The largest difference from the encoder's own features that an export may have, as a share of the largest of them."""
VIEWS, FEATURES = "views", "features"
"""The names of input and output."""


class Pooled(nn.Module):
    """An encoder as one call: views (B, C, T, ...) -> features (B, D)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, views: Tensor) -> Tensor:
        """Features (B, D)."""
        features: Tensor = self.encoder.pool(self.encoder(views))
        return features


def about(model: Model) -> dict[str, Any]:
    """The metadata of an exported file: what it takes, and how that is made of a video (docs/using.md).

    `extractor` makes pictures or joints of a file; `settings` have the clip and, under `augment`, the normalisation.
    """
    return {
        "encoder": model.name,
        "digest": model.digest,
        "stream": model.stream,
        "input_shape": ["batch", *model.input_shape[1:]],
        "settings": dict(model.settings),
        "reading": model.reading.cached,
        "extractor": model.reading.extract.made_by(),
        "attributes": model.reading.extract.attrs(),
        "quality": model.reading.quality,
        "clips": model.clips,
    }


def to_onnx(model: Model, path: str | Path) -> float:
    """Write an ONNX file with a free batch, and return the largest difference of its features from the encoder's own.

    Its metadata has `about` under "videossl". Raises InputError where a library is not installed, or the difference is too large.
    """
    _needed("onnx", "onnxscript", "onnxruntime")
    runtime = importlib.import_module("onnxruntime")
    network, views = _network(model)
    with warnings.catch_warnings(), atomic(path) as temporary:
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.onnx.export(
            network, (views(2),), dynamo=True, dynamic_shapes=shapes, input_names=[VIEWS], output_names=[FEATURES], verbose=False
        )
        assert program is not None
        program.model.metadata_props["videossl"] = json.dumps(about(model), sort_keys=True)
        program.save(str(temporary))
        session = runtime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        return _compared(path, network, lambda x: torch.from_numpy(session.run([FEATURES], {VIEWS: x.numpy()})[0]), views)


def to_torchscript(model: Model, path: str | Path) -> float:
    """Write a TorchScript file, as `to_onnx` an ONNX file; `about` is its extra file "videossl.json"."""
    network, views = _network(model)
    with warnings.catch_warnings(), atomic(path) as temporary:
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(network, views(2), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(temporary), {"videossl.json": json.dumps(about(model), sort_keys=True)})
        return _compared(path, network, cast(Any, torch.jit.load(str(temporary))), views)  # type: ignore[no-untyped-call]


def _network(model: Model) -> tuple[Pooled, Callable[[int], Tensor]]:
    """The encoder on the CPU as one call, and what makes views of a batch of a size for it: random, the same each time."""

    def views(batch: int) -> Tensor:
        return torch.randn(batch, *model.input_shape[1:], generator=torch.Generator().manual_seed(batch))

    return Pooled(model.on("cpu").encoder).eval(), views


def _compared(path: str | Path, network: Pooled, exported: Callable[[Tensor], Tensor], views: Callable[[int], Tensor]) -> float:
    """The largest difference of features, for batches of one and of three; raises InputError where it is above TOLERANCE."""
    worst = 0.0
    for batch in (1, 3):
        with torch.no_grad():
            own, other = network(views(batch)), exported(views(batch))
        difference = float((own - other).abs().max())
        worst = max(worst, difference)
        if not difference <= TOLERANCE * float(own.abs().max()):
            raise InputError(
                f"{path}: features of the export differ by {difference:.2g} from the encoder's; nothing is written: export to another form"
            )
    return worst


def to_hub(model: Model, folder: str | Path, licence: str = "other") -> None:
    """Write a folder in the layout of the Hugging Face hub: the encoder's weights, config.json and a model card; `videossl.load` takes it.

    licence: of the weights, as the hub names licences. Raises InputError for an encoder that was not trained here.
    """
    folder = Path(folder)
    if "params" not in model.made_from:
        raise InputError(
            f"{model.name} was not trained by videossl: its weights say nothing of data and recipe, of which a model card is made"
        )
    reading = model.reading
    codec = {"codec": "raw"} if reading.quality is None else {"codec": "jpeg", "quality": reading.quality}
    attributes = cache.attributes(reading.cached, reading.dataset, reading.extract.made_by(), **codec, **reading.extract.attrs())
    made_from = {**model.made_from, "caches": {reading.cached: attributes}}
    state = {f"{model.stream}/encoder.{name}": tensor for name, tensor in model.encoder.state_dict().items()}
    weights.save(folder / IN_FOLDER, state, made_from)
    write_json(folder / CONFIG, {"library_name": "videossl", "features": model.encoder.out_features, **about(model)})
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(model_card.text(model, licence), encoding="utf-8")


def push(folder: str | Path, repository: str) -> str:
    """Upload a folder of `to_hub` to USER/NAME of the Hugging Face hub by its client, which knows the user; returns the page's address."""
    _needed("huggingface_hub")
    hub = importlib.import_module("huggingface_hub")
    try:
        hub.create_repo(repository, exist_ok=True)
        return str(hub.upload_folder(repo_id=repository, folder_path=str(folder)))
    except Exception as error:  # of the client, of the network, of the hub
        raise InputError(
            f"{repository} cannot be pushed ({' '.join(str(error).split())[:200]}); log in (hf auth login) and try again"
        ) from error


def _needed(*libraries: str) -> None:
    """Raise InputError where a library that few need is not installed."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed: pip install {' '.join(missing)}")
