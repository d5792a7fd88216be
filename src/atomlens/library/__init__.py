"""A library of defects: crops of one kind side by side, grouped without labels, and asked for what is new."""

__all__: list[str] = []
