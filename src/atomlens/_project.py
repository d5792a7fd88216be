"""Where the project lives: the one place from which badges, citations and Colab take it."""

#: The repository's address, such as "https://github.com/owner/atomlens", or None as long as it is not
#: published: until then there are no badges, so that no link is dead.
REPOSITORY = None

_COLAB_CELL = """\
# On Google Colab this installs atomlens beside what is there; elsewhere it does nothing
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("atomlens") is None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade-strategy", "only-if-needed"]
    subprocess.run([*pip, "atomlens[lab,deep] @ git+{repository}"], check=True)"""


def badges(path):
    """Return Markdown for badges that open a notebook on Binder and Colab and download it.

    Parameters
    ----------
    path : str
        The notebook's path in the repository.

    Returns
    -------
    str
        Nothing before publication.
    """
    if REPOSITORY is None:
        return ""
    owner_and_name = REPOSITORY.removeprefix("https://github.com/").strip("/")
    binder = f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?labpath={path.replace('/', '%2F')}"
    colab = f"https://colab.research.google.com/github/{owner_and_name}/blob/HEAD/{path}"
    raw = f"https://raw.githubusercontent.com/{owner_and_name}/HEAD/{path}"
    return "\n".join(
        [
            f"[![Open on Binder](https://mybinder.org/badge_logo.svg)]({binder})",
            f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})",
            f"[![Download](https://img.shields.io/badge/download-notebook-0a7d91)]({raw})",
        ]
    )


def colab_cell():
    """Return the code of the first cell of a notebook, which Colab needs, or nothing before publication.

    Returns
    -------
    str
    """
    return "" if REPOSITORY is None else _COLAB_CELL.format(repository=REPOSITORY.rstrip("/"))
