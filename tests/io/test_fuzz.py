"""Damaged files: a part of what `make fuzz` tries."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are those of POSIX")
def test_damaged_files_are_read_or_refused():
    script = Path(__file__).with_name("fuzz.py")
    command = [sys.executable, str(script), "--mutants", "300"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "300 mutants of 24 files: 0 faults" in said.stdout
