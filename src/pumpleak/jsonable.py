"""Numbers, arrays and their like as plain JSON."""

import math
from typing import Any


def plain(x: Any) -> Any:
    """Plain JSON: NaN and infinity become null."""
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "tolist"):
        return plain(x.tolist())
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x
