"""What three image networks make of the same 2,400 pictures: activations that ship inside a published package."""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from ..errors import BadInput
from .fetch import fetch

WIDTHS = {"alexnet": 4096, "resnet18": 512, "resnet34": 512}
N_IMAGES = 2400
VALUES = "__xarray_dataarray_variable__"  # the name the source gave its array


@cache
def objectome_activations() -> dict[str, pd.DataFrame]:
    """Activations of AlexNet (its last hidden layer), ResNet-18 and ResNet-34 (``avgpool``): tables (2,400 x units).

    Index: the name of the picture, in the order of the first file; the pictures are not here. Rendered objects on
    natural backgrounds. Source: Rajalingham 2018, activations of the Brain-Score vision package. Needs h5py. Raises
    DataUnavailable, or BadInput for a file that is not as published.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError("reading these activations needs h5py: pip install 'neuroconverge[ieeg]'") from None
    found = {}
    for name, width in WIDTHS.items():
        path = fetch(f"objectome_activations/{name}_objectome240.nc")
        with h5py.File(path, "r") as store:
            missing = {VALUES, "stimulus_path"} - set(store)
            if missing:
                raise BadInput(f"{path.name}: lacks {', '.join(sorted(missing))}")
            values, files = store[VALUES][:], store["stimulus_path"].asstr()[:]
        ids = pd.Index([PurePosixPath(file).stem for file in files], name="image")
        if values.shape != (N_IMAGES, width) or len(ids) != N_IMAGES or not ids.is_unique:
            raise BadInput(f"{path.name}: shape {values.shape}, {ids.nunique()} images; wanted ({N_IMAGES}, {width})")
        if not np.isfinite(values).all():
            raise BadInput(f"{path.name}: row {np.argwhere(~np.isfinite(values))[0][0]} holds NaN or infinity")
        found[name] = pd.DataFrame(values, ids)
    first = found["alexnet"].index
    for name, table in found.items():
        differ = first.symmetric_difference(table.index)
        if len(differ):
            raise BadInput(f"{name}: pictures differ from those of alexnet: {', '.join(differ[:3])}")
        found[name] = table.loc[first]
    return found
