"""Division where nothing over nothing is no number, quietly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float = np.nan) -> NDArray[np.float64]:
    """``numerator / denominator``, broadcast; ``empty`` where the denominator is 0."""
    over, under = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    quotients: NDArray[np.float64] = np.divide(over, under, out=np.full(over.shape, empty), where=under != 0)
    return quotients
