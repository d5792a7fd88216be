"""The how-to pages: their Python runs, their commands exist."""

import re
import subprocess
import sys

import pytest

from atomlens import io, simulate

PAGES = ("own_file", "own_structure")


@pytest.mark.parametrize("name", PAGES)
def test_the_lines_of_a_page_run(root, tmp_path, monkeypatch, name):
    text = (root / f"docs/howto/{name}.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    assert code
    sheet = simulate.structures.perovskite((4, 4))
    io.write(simulate.image(sheet, electrons=300).data.rename("image"), tmp_path / "my_image.tif")
    monkeypatch.chdir(tmp_path)
    exec(code, {})


def test_every_target_and_command_that_is_named_exists(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    pages = [*(root / "docs").glob("*.md"), *(root / "docs/howto").glob("*.md"), root / "README.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for target in set(re.findall(r"(?m)^make ([a-z-]+)|`make ([a-z-]+)", text)):
        assert re.search(rf"(?m)^{''.join(target)}:", makefile), target
    commands = set(re.findall(r"(?m)^(?:\.venv/bin/)?atomlens ([a-z]+)", text))
    program = [sys.executable, "-c", "from atomlens.cli import main; main()", "--help"]
    shown = subprocess.run(program, capture_output=True, text=True, check=False).stdout
    assert commands
    assert [name for name in commands if name not in shown] == []
