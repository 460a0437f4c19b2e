"""Groups of records that are tied together by what they share."""

from __future__ import annotations

import numpy as np
import pandas as pd


def connected_groups(names: pd.Series, links: pd.Series) -> np.ndarray:
    """Return the number of each record's group, shape ``[records]``.

    Two records are in one group if they have an equal name or an equal link, or if a chain of
    such records leads from one to the other.
    """
    # Loaded late: this module is imported at every start, and few starts need scipy.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    name_codes, unique_names = pd.factorize(names)
    link_codes, unique_links = pd.factorize(links)
    # Names and links are the nodes of a graph, and each record is an edge between two of them.
    nodes = len(unique_names) + len(unique_links)
    edges = (name_codes, len(unique_names) + link_codes)
    graph = coo_matrix((np.ones(len(name_codes)), edges), shape=(nodes, nodes))
    components = connected_components(graph, directed=False)[1]
    return components[name_codes]


def smallest_connected(names: pd.Series, links: pd.Series) -> pd.Series:
    """Return, for each record, the smallest name in its group (see :func:`connected_groups`)."""
    groups = connected_groups(names, links)
    return names.groupby(groups).transform("min")
