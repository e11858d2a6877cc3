"""Where an electrode lies with respect to auditory cortex."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .errors import BadInput

# Centroid of Heschl's gyrus in the AAL atlas (Tzourio-Mazoyer 2002), MNI millimetres. The core of primary auditory
# cortex is its posteromedial part, so behind this point and deeper.
HESCHL_MM = {"L": (-42.0, -19.0, 10.0), "R": (46.0, -17.0, 10.0)}
AXES = ["x_mm", "y_mm", "z_mm"]


def auditory_distance(electrodes: pd.DataFrame) -> pd.Series:
    """Straight distance in mm from the centre of Heschl's gyrus on the electrode's own side; NaN without a position.

    ``electrodes``: columns ``x_mm``, ``y_mm``, ``z_mm`` (MNI). Along the cortex the way is longer: the distance is a
    rough measure of the stage of processing.
    """
    missing = [axis for axis in AXES if axis not in electrodes]
    if missing:
        raise BadInput(f"electrodes: lacks {', '.join(missing)}")
    places = electrodes[AXES].to_numpy(float)
    centres = np.where(places[:, :1] < 0, HESCHL_MM["L"], HESCHL_MM["R"])
    return pd.Series(np.linalg.norm(places - centres, axis=1), index=electrodes.index, name="distance_mm")
