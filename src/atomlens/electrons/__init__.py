"""Electronic structure of small cells: tight binding of pi electrons, and GFN1-xTB through tblite."""

__all__: list[str] = []
