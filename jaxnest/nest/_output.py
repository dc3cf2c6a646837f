"""`output="pandas"` and `output="json"`."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_pandas(nodes: Any, params: tuple[Any, ...], result: Any) -> Any:
    """A table with one row a node (or of one node's events one row an event). **Raises:** `ImportError` without pandas."""
    import pandas

    index = nodes.tolist()
    if len(params) == 1 and isinstance(params[0], str):
        values = [result] if len(nodes) == 1 else list(result)
        return pandas.DataFrame({params[0]: values}, index=index)
    if len(params) == 2 and isinstance(params[1], str):
        result = {params[1]: result}
    columns = {k: [v] if len(nodes) == 1 else list(v) for k, v in result.items()}
    return pandas.DataFrame(columns, index=index)


def to_json(result: Any) -> str:
    from jaxnest.nest._help import to_json as write

    return write(_bare(result))


def _bare(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bare(v) for v in value]
    return value
