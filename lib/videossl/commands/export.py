"""export: an encoder for other programs, and for the Hugging Face hub."""

from __future__ import annotations

import click


@click.command(epilog="Example: videossl export runs/mine/stc-mix/rgb --to onnx -o encoder.onnx")
@click.argument("encoder")
@click.option(
    "--to", "form", type=click.Choice(["onnx", "torchscript", "hub"]), required=True, help="hub: weights, config.json, model card."
)
@click.option("-o", "--out", required=True, help="The file, or for the hub the folder.")
@click.option("--push", metavar="USER/NAME", help="Upload the folder there, by the hub's own client.")
@click.option("--licence", default="other", show_default=True, help="Of the weights, for the model card, as the hub names licences.")
@click.option("--stream", default="", help="Of a file with several encoders, which.")
@click.option("--seed", type=int, help="Of the run.  [default: its params' own]")
def command(encoder: str, form: str, out: str, push: str | None, licence: str, stream: str, seed: int | None) -> None:
    """Write an encoder for other programs.

    ENCODER is named as for `videossl embed`.

    An exported file takes views: clips that are cropped and normalised. Its metadata say how. Its features are compared to the encoder's own
    before it is written; the largest difference is printed.
    """
    from videossl.use import export
    from videossl.use.load import load

    if push and form != "hub":
        raise click.UsageError("--push goes with --to hub")
    model = load(encoder, stream=stream, seed=seed, device="cpu")
    if form == "hub":
        export.to_hub(model, out, licence)
        click.echo(f"wrote {out}")
    else:
        difference = (export.to_onnx if form == "onnx" else export.to_torchscript)(model, out)
        click.echo(f"wrote {out}; its features differ from the encoder's by {difference:.1e} at most")
    if push:
        click.echo(f"pushed to {export.push(out, push)}")
