"""The pages: the code on mixing runs as it stands there; things and files that a page names exist, and no page is left out."""

import importlib
import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.conftest import REPOSITORY
from videossl import commands, paths, registry
from videossl.files import write_json

PAGE = REPOSITORY / "docs" / "mixing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


def blocks() -> Iterator[tuple[str, str]]:
    """Each block of code, and what the page says that it prints."""
    for match in BLOCK.finditer(PAGE.read_text()):
        yield match[1], match[2] or ""


def state(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in encoder.state_dict().items()}


def changed(encoder: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}


def test_the_code_on_mixing_runs_and_trains() -> None:
    """In one namespace from top to bottom, as a reader would. A block that leaves a new loss has trained rgb, every
    parameter of it, and left flow as it was, buffers too."""
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    loss, steps = None, 0
    for number, (code, printed) in enumerate(blocks(), 1):
        before = {name: state(names[name]) for name in ("rgb", "flow") if name in names}
        with redirect_stdout(StringIO()) as output:
            exec(compile(code, f"{PAGE.name}, block {number}", "exec"), names)
        assert output.getvalue() == printed
        if names.get("loss") is not loss:
            loss, steps = names["loss"], steps + 1
            assert loss.isfinite()
            assert changed(names["rgb"], before["rgb"]) >= {name for name, _ in names["rgb"].named_parameters()}
            assert not changed(names["flow"], before["flow"])
    assert steps == 2, "one step of one's own, one with MoCo and CMMC"
    assert names["moco"].queue_ptr == 8 and isinstance(names["lam"], float)


DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
METHODS = sorted((DOCS / "methods").glob("*.md"))
READ = (".py", ".yaml", ".smk", ".html", ".md", ".css")
ELSEWHERE = re.compile(r"\b(?:[Ss]pec|DESIG[N])\b")
"""Documents that are not in the repository."""


def sources() -> Iterator[Path]:
    """All texts of the repository in which a document may be cited."""
    yield from (REPOSITORY / name for name in ("Snakefile", "Makefile", "params.yaml", "README.md"))
    for folder in ("lib", "stages", "tests", "bench", "docs", "presets", "profiles"):
        yield from (path for path in (REPOSITORY / folder).rglob("*") if path.suffix in READ)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def absent(names: set[str], folder: Path) -> list[str]:
    return sorted(name for name in names if not (folder / name).exists())


@pytest.mark.parametrize("kind", ["methods", "encoders", "modalities", "tasks"])
def test_each_thing_is_named_in_a_page_of_methods(kind: str) -> None:
    text = "".join(page.read_text() for page in METHODS)
    assert not [name for name in registry.names(kind) if f"`{name}`" not in text]


def test_the_index_of_methods_names_each_page_and_each_page_has_the_same_headings() -> None:
    (index,) = (page for page in METHODS if page.name == "README.md")
    others = [page for page in METHODS if page != index]
    assert set(re.findall(r"^\| \[([\w-]+\.md)\]", index.read_text(), re.MULTILINE)) == {page.name for page in others}
    headings = ["The paper says", "It leaves open", "Settled here, and why", "Departures"]
    assert {page.name: re.findall("^## (.*)$", page.read_text(), re.MULTILINE) for page in others} == {
        page.name: headings for page in others
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_each_file_that_a_page_names_is_there(page: Path) -> None:
    """Links, and files of the library; a page on adding things names those that it writes with a colon behind."""
    text = prose(page)
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link}
    assert not absent(links, page.parent)
    named = set(re.findall(r"(?:lib|stages|tests|docs|presets)/[\w/.-]+\.(?:py|yaml|smk|md)", text))
    written = set(re.findall(r"`(lib/[\w/.-]+)`:$", text, re.MULTILINE))
    assert not absent({name for name in named - written if "NAME" not in name}, REPOSITORY)


def test_each_page_that_the_code_names_is_there() -> None:
    cited = {(path, name) for path in sources() for name in re.findall(r"\bdocs/[\w/.-]+\.md", path.read_text())}
    assert len(cited) > 50
    assert not [f"{path.relative_to(REPOSITORY)}: {name}" for path, name in sorted(cited) if not (REPOSITORY / name).is_file()]


def test_no_document_is_cited_that_is_not_in_the_repository() -> None:
    assert not [str(path.relative_to(REPOSITORY)) for path in sources() if ELSEWHERE.search(path.read_text())]


def test_each_name_of_the_glossary_is_in_the_code() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `([^`]+)` \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    words = [word for names, _ in rows for word in names.split(", ")]
    assert len(words) == len(set(words)) and words == sorted(words), "each word once, in order"
    for _, name in rows:
        assert (REPOSITORY / name).exists() if "/" in name else is_importable(name), name


def is_importable(name: str) -> bool:
    """Whether a dotted name is a module, or stands in one."""
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute) or importlib.import_module(name) is not None
    except ImportError:
        return False


def test_the_readme_is_short() -> None:
    lines = (REPOSITORY / "README.md").read_text().splitlines()
    assert len(lines) <= 120 and not [line for line in lines if len(line) > 120]


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    scripts = [path for folder in ("lib", "stages") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    texts = [(path, text) for path in scripts for text in re.findall(r'^\s*"""(\w+)', path.read_text(), re.MULTILINE)]
    assert len(texts) > 900
    assert not [f"{path.name}: {text}" for path, text in texts if text in ("What", "How", "Whether", "Where", "Why", "Which")]


COMMAND = re.compile(r"^ {4}(videossl [^#\n]+)|`(videossl [^`]+)`", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_each_command_of_a_page_is_one_that_is_taken(page: Path) -> None:
    """Its subcommand and options are there. "..." and [RUN] stand for what a reader fills in."""
    for match in COMMAND.finditer(page.read_text()):
        words = shlex.split(match[1] or match[2])[1:]
        if words and words[0] != "--help":
            command = commands.cli.get_command(click.Context(commands.cli), words[0])
            assert command is not None, match[0]
            if len(words) > 1:
                command.make_context(words[0], words[1:])


def test_the_pages_are_a_site(tmp_path: Path) -> None:
    """Sphinx finds each link, and each page from another; `make docs` calls it so."""
    build = ["sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", str(DOCS), str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "sphinx", *build[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("*.html")}
    assert made >= {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")}
    assert "videossl.mix.cutmix.cutmix" in (tmp_path / "api.html").read_text()


def module(path: Path) -> Any:
    """A script of the docs, imported from its file."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found and found.loader
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


def test_the_example_trains_both_encoders(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In fewer steps than it takes for a reader; `.ci/run` runs it whole."""
    example = module(DOCS / "examples" / "cmmc.py")
    monkeypatch.setattr(example, "CLIPS", 16)
    monkeypatch.setattr(example, "BATCH", 8)
    monkeypatch.setattr(example, "STEPS", {"flow": 1, "rgb": 2})
    example.main()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said[:2]] == ["flow: step 1 of 1", "rgb: step 2 of 2"]
    assert [line.split(":")[0] for line in said[2:4]] == ["rgb", "flow"] and len(said) == 5


def test_the_pictures_of_the_methods_are_those_that_the_code_draws(tmp_path: Path) -> None:
    pictures = module(DOCS / "pictures.py")
    pictures.draw(tmp_path)
    for name in pictures.PICTURES:
        drawn, kept = (np.asarray(Image.open(folder / name).convert("RGB"), float) for folder in (tmp_path, pictures.OUT))
        assert drawn.shape == kept.shape and abs(drawn - kept).max() < 32, f"{name}: python docs/pictures.py"


def test_the_weights_in_the_picture_of_the_losses_are_those_of_the_equations() -> None:
    drawn = dict(module(DOCS / "pictures.py").weights())
    own, partner = torch.eye(4), torch.eye(4).roll(1, 1)
    mixed = 0.7 * own + 0.3 * partner
    torch.testing.assert_close(drawn["moco"][:, :4], own)
    torch.testing.assert_close(drawn["moco, mixed, lam 0.7"][:, :4], mixed)
    torch.testing.assert_close(drawn["simclr, mixed, lam 0.7"].nan_to_num()[:4, 4:], mixed)
    torch.testing.assert_close(drawn["byol, mixed, lam 0.7"].nan_to_num(), mixed)
    assert drawn["moco, mixed, lam 0.7"][:, 4].isnan().tolist() == [True, True, False, False], "videos 0 and 1 are mixed with video 1"
    torch.testing.assert_close(drawn["coclr, crossclr: 2 mined"].nansum(1), torch.ones(4))


def test_frameworks_are_compared_by_seeds_and_videos(tmp_path: Path) -> None:
    """Of a made-up run: one pair differs by one of four videos in each seed, all others by none."""
    frameworks = module(DOCS / "frameworks.py")
    for experiment in {name for pair in frameworks.PAIRS for name in pair}:
        for seed in (0, 1):
            for task, metric in frameworks.TASKS:
                right = "1100" if (experiment, task) == ("byol", "linear") else "1000"
                hits = {"streams": {stream: {metric: right} for stream in frameworks.STREAMS}}
                write_json(tmp_path / paths.results(experiment, "toy", task, seed), {"hits": hits})
    for experiment, training in {part for parts in frameworks.COURSES.values() for part in parts}:
        for seed, stream in ((0, "rgb"), (1, "rgb"), (0, "flow"), (1, "flow")):
            epochs = [{"accuracy": 10.0 * seed, "rank": 2.0, "spread": 0.5}] * 3
            write_json(tmp_path / paths.history(experiment, training.format(stream), seed), {"epochs": epochs})
    by = {(pair, stream): [] for pair, stream, _, _ in frameworks.differences(tmp_path, "toy", [0, 1])}
    for pair, stream, apart, test in frameworks.differences(tmp_path, "toy", [0, 1]):
        by[pair, stream].append((apart, test.paired))
    assert by["byol - untrained", "rgb"] == [(25.0, "seeds and videos"), (0.0, "seeds and videos")]
    assert by["rho-byol - byol", "flow"][0][0] == -25 and by["simclr - moco-60", "rgb+flow"][0][0] == 0
    assert len(frameworks.table(tmp_path, "toy", [0, 1])) == 2 + len(frameworks.PAIRS)
    first = frameworks.curves(tmp_path, [0, 1]).axes[0].lines[0]
    assert first.get_xdata().tolist() == list(range(1, 10)) and first.get_ydata().tolist() == [5.0] * 9


PUBLIC = re.findall(r"automodule:: (\S+)", (DOCS / "api.md").read_text())
SHARED = {"videossl.methods": "videossl.methods.base", "videossl.encoders": "videossl.encoders.base"}
"""Packages whose things have a contract in common, and where it is written."""


def documented(name: str) -> Iterator[tuple[str, Any, str]]:
    """Each public function, class and method of a module: its name, itself, and all that is said of its arguments: in its own docstring, in those
    of its class and its module, and in the contract that it keeps."""
    loaded = importlib.import_module(name)
    shared = SHARED.get(name.rpartition(".")[0])
    contract = own(importlib.import_module(shared)) if shared else []
    said = "\n".join([loaded.__doc__ or "", *(each.__doc__ or "" for each in contract)])
    for thing in own(loaded):
        yield thing.__name__, thing, f"{thing.__doc__}\n{said}"
        for attribute, method in vars(thing).items() if inspect.isclass(thing) else ():
            if not attribute.startswith("_") and inspect.isfunction(method) and not getattr(thing, "_is_protocol", False):
                yield f"{thing.__name__}.{attribute}", method, f"{method.__doc__}\n{thing.__doc__}\n{said}"


def own(module: Any) -> list[Any]:
    """The public classes and functions that a module defines."""
    named = [thing for name, thing in vars(module).items() if not name.startswith("_")]
    return [thing for thing in named if getattr(thing, "__module__", "") == module.__name__ and callable(thing)]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_api_is_documented_in_full(name: str) -> None:
    """Each argument is named in what is said, but those that torch documents: of its own layers, and of `forward`."""
    found = list(documented(name))
    assert found
    for label, thing, said in found:
        made_by = thing.__init__ if inspect.isclass(thing) else thing
        of_torch = label.endswith("forward") or getattr(made_by, "__module__", "").startswith("torch")
        arguments = () if of_torch else inspect.signature(thing).parameters
        missing = [each for each in arguments if each not in ("self", "cls", "args", "kwargs") and not re.search(rf"\b{each}\b", said)]
        assert not missing and (label.endswith("forward") or thing.__doc__), f"{name}.{label}: {missing}"


def test_each_method_and_encoder_is_in_the_public_api() -> None:
    named = {f"videossl.{kind}.{name.replace('-', '_')}" for kind in ("methods", "encoders") for name in registry.names(kind)}
    assert named <= set(PUBLIC)
