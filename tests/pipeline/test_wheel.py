"""The wheel: installed without the repository it does what a clone does."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.pipeline.conftest import Workspace
from tests.pipeline.test_every_write import smallest

pytestmark = pytest.mark.slow

DIGESTS = "from videossl import job_code; print(job_code.ROOT, *(job_code.digest(f'stages/{n}.py') for n in ('index', 'train', 'report')))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the wheel alone; all others are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY)], check=True)
    (wheel,) = folder.glob("videossl-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "packages"), str(wheel)], check=True)
    return folder / "packages"


def test_it_holds_what_the_repository_has_for_a_run(installed: Path) -> None:
    (wheel,) = installed.parent.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    listed = [
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "lib/videossl",
        "Snakefile",
        "params.yaml",
        "stages",
        "presets",
        "profiles",
    ]
    files = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    files = [file for file in files if (REPOSITORY / file).is_file()]
    wanted = {file.removeprefix("lib/") if file.startswith("lib/") else f"videossl/workflow/{file}" for file in files}
    assert len(wanted) > 200 and {name for name in held if ".dist-info/" not in name} == wanted


def test_a_run_from_it_is_that_of_a_clone(installed: Path, tmp_path: Path, warm: dict[str, str]) -> None:
    """In an empty home and a folder of one's own, to the report; the code that its results name is the clone's."""
    (tmp_path / "home").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/params.yaml").write_text(yaml.safe_dump(smallest(), sort_keys=False))
    run = Workspace(tmp_path, warm | {"PYTHONPATH": str(installed), "HOME": str(tmp_path / "home")})
    run.call("videossl", "run", "mine", "--cores", "2")
    assert (tmp_path / "mine/data/report/index.html").is_file()
    assert "mixup/0/joint" in run.call("videossl", "runs", "mine").stdout
    root, *digests = run.call("python", "-c", DIGESTS).stdout.split()
    assert root == str(installed / "videossl/workflow")
    assert digests == run.call("python", "-c", DIGESTS, PYTHONPATH=str(REPOSITORY / "lib")).stdout.split()[1:]
