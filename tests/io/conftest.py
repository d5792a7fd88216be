"""Writers of small files in formats that only instruments write, by their published layout."""

import struct

import numpy as np
import pytest


def _dm3_tag(label, value):
    head = struct.pack(">BH", 20 if isinstance(value, dict) else 21, len(label)) + label.encode()
    if isinstance(value, dict):
        return head + _dm3_group(value)
    if isinstance(value, str):
        units = value.encode("utf-16-le")
        return head + b"%%%%" + struct.pack(">4i", 3, 20, 4, len(value)) + units
    if isinstance(value, np.ndarray):
        code = {"float32": 6, "uint16": 4, "int32": 3}[value.dtype.name]
        return head + b"%%%%" + struct.pack(">4i", 3, 20, code, value.size) + value.tobytes()
    if isinstance(value, float):
        return head + b"%%%%" + struct.pack(">2i", 1, 6) + struct.pack("<f", value)
    return head + b"%%%%" + struct.pack(">2i", 1, 5) + struct.pack("<I", value)


def _dm3_group(tags):
    # An unnamed tag of a list is numbered here, to keep the dictionary simple.
    entries = b"".join(
        _dm3_tag("" if label.startswith("#") else label, value) for label, value in tags.items()
    )
    return struct.pack(">BBi", 1, 0, len(tags)) + entries


@pytest.fixture
def write_dm3():
    """Return write(path, array, axes): axes as (offset, scale, unit), the first one the fastest."""

    def write(path, array, axes, image_tags=None):
        kind = {"float32": 2, "uint16": 10, "int32": 7}[array.dtype.name]
        calibrations = {
            f"#{i}": {"Origin": -offset / scale, "Scale": float(scale), "Units": unit}
            for i, (offset, scale, unit) in enumerate(axes)
        }
        image = {
            "ImageData": {
                "Calibrations": {
                    "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": "Counts"},
                    "Dimension": calibrations,
                    "DisplayCalibratedUnits": 1,
                },
                "Data": array.ravel(),
                "DataType": kind,
                "Dimensions": {f"#{i}": n for i, n in enumerate(reversed(array.shape))},
                "PixelDepth": array.itemsize,
            },
            "ImageTags": image_tags or {},
            "Name": "made here",
            "UniqueID": {"#0": 1},
        }
        root = _dm3_group(
            {"ImageList": {"#0": image}, "ImageSourceList": {"#0": {"ImageRef": 0}}, "InImageMode": 1}
        )
        path.write_bytes(struct.pack(">3i", 3, len(root), 1) + root + bytes(8))
        return path

    return write


@pytest.fixture
def write_ser():
    """Return write(path, image, step): one 2-D image in the layout of TIA, step in metres."""

    def write(path, image, step):
        rows, columns = image.shape
        element = struct.pack("<ddi", 0.0, step, 0) * 2 + struct.pack("<hii", 2, columns, rows)
        element += np.ascontiguousarray(image[::-1], dtype="<u2").tobytes()  # its first row is the lowest
        dimension = (
            struct.pack("<iddi", 1, 0.0, 1.0, 0) + struct.pack("<i", 6) + b"Number" + struct.pack("<i", 0)
        )
        head = struct.pack("<hhhiiiiii", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 0, 1)
        start = 30 + len(dimension)
        head = head[:22] + struct.pack("<ii", start, 1)
        offsets = struct.pack("<ii", start + 8, start + 8 + len(element))
        path.write_bytes(head + dimension + offsets + element + struct.pack("<HHI", 0x4152, 0, 0))
        return path

    return write
