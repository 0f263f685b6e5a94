"""What tests of data share."""

from __future__ import annotations

import pytest

from videossl.data import download_file


@pytest.fixture
def straight_and_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads ask the test's own server, through no proxy, and try again at once."""
    monkeypatch.setattr(download_file, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
