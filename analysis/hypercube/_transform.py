"""The Walsh-Hadamard transform of a table, and the Fourier transform for nodes that are on with probability p."""

from typing import Any

import numpy as np

from analysis._errors import InputError
from analysis.hypercube._table import Floats, checked, checked_probability, nodes_of

#: Nodes that one matrix product transforms, and columns that it takes.
NODES_AT_ONCE, COLUMNS = 4, 2**8


def _on_every_node(table: Floats, matrix: Any) -> Floats:
    """Multiply a table by a 2 x 2 matrix along the axis of every node: by its N-fold Kronecker power.

    A few nodes at a time are one matrix product, many times faster than node after node. The products are cut so small
    that each stays in the cache, and that BLAS does not set threads to it, which would wait for each other on a busy
    machine. Needs one further table.
    """
    nodes = nodes_of(table)
    for low in range(0, nodes, NODES_AT_ONCE):
        count = min(NODES_AT_ONCE, nodes - low)
        block = np.ones((1, 1))
        for _ in range(count):
            block = np.kron(block, matrix)
        result = np.empty_like(table)
        if low == 0:
            stack = (-1, min(COLUMNS, 2 ** (nodes - count)), 2**count)  # (..., higher nodes, these nodes)
            np.matmul(table.reshape(stack), block.T, out=result.reshape(stack))
        else:
            width = min(COLUMNS, 2**low)
            cube = (-1, 2**count, 2**low // width, width)  # (higher nodes, these nodes, lower nodes: two axes)
            np.matmul(block, table.reshape(cube).swapaxes(1, 2), out=result.reshape(cube).swapaxes(1, 2))
        table = result
    return table


def walsh(values: Any) -> Floats:
    r"""Compute the Walsh-Hadamard coefficients of a function on the N-cube.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        At index S, read as a set of nodes bit by bit, the coefficient of S, in the unit of the values.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, or a value is not finite.

    See Also
    --------
    inverse_walsh : Undoes it.
    biased : For nodes that are on with another probability than 0.5.
    weight_by_order : Their squares by the number of nodes.

    Notes
    -----
    With the sign ``(-1)^m_i``, which is -1 where node i is on, the coefficient of a set S of nodes and the function are

        c(S) = 2^-N sum_m f(m) prod_{i in S} (-1)^m_i
        f(m) = sum_S c(S) prod_{i in S} (-1)^m_i

    With each node on with probability 1/2 the products are orthonormal, so c of the empty set is the mean, and the sum
    of c(S)^2 over all other sets the variance (Parseval). The transform is the N-fold Kronecker power of a 2 x 2 matrix
    and takes O(N 2^N) operations.

    References
    ----------
    R. O'Donnell (2014), Analysis of Boolean Functions, chapter 1, doi:10.1017/CBO9781139814782.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.walsh([1.0, 2.0, 3.0, 4.0]).tolist()
    [2.5, -0.5, -1.0, 0.0]
    """
    return _on_every_node(checked(values), [[0.5, 0.5], [0.5, -0.5]])


def inverse_walsh(coefficients: Any) -> Floats:
    """Compute the table that has the given Walsh-Hadamard coefficients.

    Parameters
    ----------
    coefficients : array_like, (2**N,)
        As `walsh` returns them.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        The value at each mask, in the unit of the coefficients.

    Raises
    ------
    TypeError
        If the coefficients are not real numbers.
    ValueError
        If their number is not a power of two, or one is not finite.

    See Also
    --------
    walsh : The coefficients of a table.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.inverse_walsh([2.5, -0.5, -1.0, 0.0]).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    return _on_every_node(checked(coefficients, "coefficients"), [[1, 1], [1, -1]])


def biased(values: Any, probability: float) -> Floats:
    r"""Compute the coefficients in the Fourier basis that is orthonormal when each node is on with probability p.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask; mask number m has node i on when bit i of m is 1.
    probability : float
        Probability p that a node is on, above 0 and below 1, where the masks would be one.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        At index S, read as a set of nodes bit by bit, the coefficient of S, in the unit of the values.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the length is not a power of two, a value is not finite, or p is not inside (0, 1).

    See Also
    --------
    inverse_biased : Undoes it.
    variance_by_order : Their squares by the number of nodes.
    sobol : Their squares by node.

    Notes
    -----
    With ``z_i = (m_i - p) / sqrt(p (1 - p))``, which has mean 0 and variance 1,

        c(S) = E_p [f prod_{i in S} z_i]
        f = sum_S c(S) prod_{i in S} z_i

    At p = 0.5 ``z_i = -(-1)^m_i``, so these are the Walsh coefficients times ``(-1)^|S|``: here a node that raises the
    value when it goes on has a positive coefficient, there a negative one.

    References
    ----------
    R. O'Donnell (2014), Analysis of Boolean Functions, section 8.4, doi:10.1017/CBO9781139814782.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.biased([0.0, 1.0], 0.2).round(6).tolist()
    [0.2, 0.4]
    """
    table, p = checked(values), _one_inside(probability)
    spread = np.sqrt(p * (1 - p))
    return _on_every_node(table, [[1 - p, p], [-spread, spread]])


def inverse_biased(coefficients: Any, probability: float) -> Floats:
    """Compute the table that has the given coefficients in the basis for probability p.

    Parameters
    ----------
    coefficients : array_like, (2**N,)
        As `biased` returns them.
    probability : float
        Probability p that a node is on, above 0 and below 1.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        The value at each mask, in the unit of the coefficients.

    Raises
    ------
    TypeError
        If the coefficients are not real numbers.
    ValueError
        If their number is not a power of two, one is not finite, or p is not inside (0, 1).

    See Also
    --------
    biased : The coefficients of a table.

    Examples
    --------
    >>> from analysis import hypercube
    >>> hypercube.inverse_biased([0.2, 0.4], 0.2).round(6).tolist()
    [0.0, 1.0]
    """
    table, p = checked(coefficients, "coefficients"), _one_inside(probability)
    odds = np.sqrt((1 - p) / p)
    return _on_every_node(table, [[1, -1 / odds], [1, odds]])


def _one_inside(probability: float) -> float:
    chance = checked_probability(probability, inside=True)
    if chance.ndim:
        raise InputError(f"probability must be one number, got shape {chance.shape}")
    return float(chance)
