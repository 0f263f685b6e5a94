"""The import closure: what a script depends on, no more and no less."""

from __future__ import annotations

import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.faults import WITHOUT_TORCH
from videossl import code

SCRIPTS = sorted(path.name for path in (REPOSITORY / "stages").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_closure_is_what_python_finds(script: str) -> None:
    """Against the standard library's own module finder, which reads byte code."""
    finder = ModuleFinder([str(REPOSITORY / "lib")])
    finder.run_script(str(REPOSITORY / "stages" / script))
    found = {Path(module.__file__).resolve() for module in finder.modules.values() if module.__file__}
    ours = {REPOSITORY / path for path in code.closure(f"stages/{script}") if path.endswith(".py")}
    assert {path for path in found if path.is_relative_to(REPOSITORY / "lib") or path.parent.name == "stages"} == ours


@pytest.mark.parametrize("script", ["cmmc.py", "report.py", "index.py"])
def test_the_closure_holds_all_that_a_run_imports(script: str) -> None:
    program = (
        f"import runpy, sys; sys.argv = ['x', '--help']\ntry: runpy.run_path({str(REPOSITORY / 'stages' / script)!r}, run_name='__main__')\n"
        "except SystemExit: pass\nprint([m.__file__ for n, m in sys.modules.items() if n.startswith('videossl')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {Path(path) for path in eval(done.stderr.strip().splitlines()[-1])}
    assert loaded
    assert loaded <= {REPOSITORY / path for path in code.closure(f"stages/{script}")}


def test_what_needs_no_torch_does_not_load_it() -> None:
    """Nor at work, as the tests of the pipeline hold (tests/faults.py)."""
    program = (
        "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(f'stages.{name}'); print(name, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *WITHOUT_TORCH], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert set(done.stdout.splitlines()) == {f"{name} False" for name in WITHOUT_TORCH}


def test_stages_do_not_depend_on_each_others_extraction() -> None:
    closures = {name: code.closure(f"stages/{name}.py") for name in ("frames", "flow", "skeleton")}
    assert "lib/videossl/extract/flow.py" in closures["flow"]
    assert "lib/videossl/extract/flow.py" not in closures["frames"]
    assert "lib/videossl/extract/flow.py" not in closures["skeleton"]


def test_data_files_beside_a_module_belong_to_it() -> None:
    assert "lib/videossl/report/paper.yaml" in code.closure("stages/report.py")
    assert any(path.endswith(".html") for path in code.closure("stages/report.py"))


def test_the_digest_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "lib").mkdir()
    script = tmp_path / "stages/a.py"
    script.write_text("import json\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    code.closure.cache_clear()
    first = code.digest("stages/a.py")
    script.write_text("import json  # changed\n")
    assert code.digest("stages/a.py") != first
    code.closure.cache_clear()
