"""Where the project lives: the one place from which badges and citations take it."""

#: The repository's address, such as "https://github.com/owner/atomlens", or None as long as it is not
#: published: until then there are no badges, so that no link is dead.
REPOSITORY = None


def binder_badge(path):
    """Return Markdown for a badge that opens a notebook on Binder, or nothing before publication.

    Parameters
    ----------
    path : str
        The notebook's path in the repository.

    Returns
    -------
    str
    """
    if REPOSITORY is None:
        return ""
    owner_and_name = REPOSITORY.removeprefix("https://github.com/").strip("/")
    link = f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?labpath={path.replace('/', '%2F')}"
    return f"[![Open on Binder](https://mybinder.org/badge_logo.svg)]({link})"
