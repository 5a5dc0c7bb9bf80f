"""A model tells of which source it was made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tidecast.tools.deep.source import described

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_is_described_as_git_does(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *WHO, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "a").write_text("one")
    git("add", "a")
    git("commit", "-m", "Begin")
    git("tag", "v1.2")
    assert described(tmp_path) == "v1.2"
    (tmp_path / "a").write_text("two")
    assert described(tmp_path) == "v1.2-dirty"


def test_what_is_no_checkout_is_not_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert described(tmp_path) is None
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert described(tmp_path) is None
