"""The shared plan: masks that agree on the gates of a deep network's early layers share the values of these layers.

The network's program is cut into stages, each of which begins where gates are read first. A stage is evaluated once for
all masks of a batch that agree on its gates and those before. Neighbours on a flip path and masks with a single node
off agree up to the first gate that differs. Each stage is one loop in the compiled program, which is therefore about as
long as that of the vmapped plan.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Var
from jaxtyping import Array, Float, Int, Shaped

from sweeps import _compiling
from sweeps._plans import Computed, hoisting, in_batches, preferred_batch, vmapped
from sweeps._plans.vmapped import MOST_KEPT, Vmapped
from sweeps._program import dependence, tracing

# Most stages. More would save little: with equal shares of work, the mean over nodes is (STAGES + 1) / (2 STAGES).
STAGES = 6
# Most masks that share values, whose gates are compared with each other.
MASKS = 128
# Multiplications that cost as much time as writing one number.
WRITING = 16
# Share of the vmapped plan's work above which that plan is as fast.
WORTHWHILE = 0.85


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shared:
    """Losses of gate vectors, from values that vectors which agree on early gates share.

    Attributes
    ----------
    plan : Vmapped
        The vmapped plan, which says what is computed.
    stages : tuple of int
        Number of the stage in which each gate is first read, from 1.
    masks : int
        Gate vectors that share values, at most.
    together : int
        Gate vectors that are evaluated together.
    """

    name: ClassVar[str] = "shared"

    plan: Vmapped
    stages: tuple[int, ...] = field(metadata=dict(static=True))
    masks: int = field(metadata=dict(static=True))
    together: int = field(metadata=dict(static=True))

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return self.plan.nodes

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.plan.dtype

    @property
    def weights(self) -> int:
        """How many numbers a batch reads from memory, whatever its size."""
        return self.plan.weights

    def prepared(self) -> "PreparedShared":
        """Return the plan with all values that do not depend on the gates, unless they are too large to keep."""
        program, parts = _Program.of(self.plan), self.plan.loss.parts()
        first, *later = program.stages(np.asarray(self.stages))

        def before(part: Any) -> hoisting.Values:
            return first.run(*jax.tree.leaves(part))

        kept, number = vmapped.of_parts(before, parts, sum(first.bytes))
        known = before if kept is None else lambda values: values
        values = parts if kept is None else kept
        return PreparedShared(
            self.plan.loss.of_part, values, number, self.plan, self, known, tuple(later), program.tree
        )

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses, metrics and losses of examples; the order of the gate vectors is of no importance."""
        return self.prepared().evaluate(gates, gradients)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector that is evaluated together with others."""
        return self.plan.floats_per_mask(gradients)


@dataclass(frozen=True)
class PreparedShared(vmapped.Prepared):
    """A shared plan within a trace.

    Attributes
    ----------
    shared : Shared
        The plan that was prepared.
    known : callable
        Values of a part -> those that do not depend on the gates.
    stages : tuple of hoisting.Stage
        Of the program, without that of such values.
    tree : object
        Structure of the program's results.
    """

    name: ClassVar[str] = "shared"

    shared: Shared
    known: Callable[[Any], hoisting.Values]
    stages: tuple[hoisting.Stage, ...]
    tree: Any

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses, metrics and losses of examples."""
        return in_batches(
            lambda batch: super(PreparedShared, self).evaluate(batch, gradients), gates, self.shared.masks
        )

    def sums(self, gates: Float[Array, "masks nodes"], values: Any, gradients: bool) -> tuple[tuple[Any, Any], None]:
        """Return the sum over a part for each gate vector, and its extras."""
        assert not gradients, "gradients cross all stages"
        rows = _Rows.of(gates, self.shared.stages)
        made = [self.known(values)]
        for stage in self.stages:
            made.append(self._of_stage(stage, gates, rows, made))
        return jax.tree.unflatten(self.tree, [value[rows.of_vector[-1]] for value in made[-1]]), None

    def _of_stage(
        self, stage: hoisting.Stage, gates: Float[Array, "masks nodes"], rows: "_Rows", made: list[Any]
    ) -> list[Shaped[Array, "rows ..."]]:
        """Return the values of a stage, a row for each of the gate vectors that need one of their own."""
        size, number = min(self.shared.together, len(gates)), len(made) - 1
        vectors = jnp.pad(rows.vectors[number], (0, -len(gates) % size))
        held = [(made[source][place], source) for source, place in stage.reads]

        def run(vector: Array) -> hoisting.Values:
            values = [value[rows.of_vector[source - 1, vector]] if source else value for value, source in held]
            return stage.run(gates[vector], *values)

        def some(chunk: Array, wholes: list[Array]) -> list[Array]:
            start = chunk * size
            if size == 1:  # a vmap of one would be slower
                parts = [part[None] for part in run(vectors[start])]
            else:
                parts = jax.vmap(run)(jax.lax.dynamic_slice(vectors, (start,), (size,)))
            return [
                jax.lax.dynamic_update_slice_in_dim(whole, part, start, 0)
                for whole, part in zip(wholes, parts, strict=True)
            ]

        empty = [jnp.zeros((len(vectors), *one.shape), one.dtype) for one in jax.eval_shape(run, vectors[0])]
        return jax.lax.fori_loop(0, -(-rows.number[number] // size), some, empty)


class _Rows(NamedTuple):
    """Which gate vectors agree on the gates of the first stages: they share a row of values.

    Attributes
    ----------
    of_vector : array of int, (stages, masks)
        Number of each vector's row, for each stage.
    vectors : array of int, (stages, masks)
        The first vector of each row, for each stage; what follows the last row is of no importance.
    number : array of int, (stages,)
        Of rows, for each stage.
    """

    of_vector: Int[Array, "stages masks"]
    vectors: Int[Array, "stages masks"]
    number: Int[Array, " stages"]

    @classmethod
    def of(cls, gates: Float[Array, "masks nodes"], stage_of_gates: tuple[int, ...]) -> "_Rows":
        """Compare gate vectors with each other."""
        last, stages = max(stage_of_gates), jnp.asarray(stage_of_gates)
        # The first stage in which two vectors differ.
        differ = jnp.where(gates[:, None] != gates[None], stages[None, None], last + 1).min(axis=-1)
        first = jnp.argmax(differ[None] > jnp.arange(1, last + 1)[:, None, None], axis=-1)
        vectors = jnp.arange(len(gates))[None]
        is_first = first == vectors
        # A cumulative sum would take longer to compile.
        of_vector = (is_first[:, None] & (vectors[None] < first[:, :, None])).sum(axis=-1)
        return cls(of_vector, jnp.argsort(~is_first, axis=1, stable=True), is_first.sum(axis=1))


class _Program(NamedTuple):
    """The program of a part's loss, as a function of gates and data.

    Attributes
    ----------
    closed : ClosedJaxpr
        Without calls.
    origins : dict of Var to dependence.Origin
        Of its variables.
    tree : object
        Structure of its results.
    """

    closed: ClosedJaxpr
    origins: dict[Var, dependence.Origin]
    tree: Any

    @classmethod
    def of(cls, plan: Vmapped) -> "_Program":
        """Read the program of a plan."""

        def of_first(gates: Array, leaves: list[Array]) -> Any:
            return plan.loss.of_part(gates, jax.tree.unflatten(jax.tree.structure(plan.loss.parts()), leaves))

        parts = jax.eval_shape(lambda: jax.tree.leaves(plan.loss.parts()))
        part = [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in parts]
        gates = jax.ShapeDtypeStruct((plan.nodes,), plan.dtype)
        closed, results = jax.make_jaxpr(of_first, return_shape=True)(gates, part)
        closed = tracing.inlined(closed)
        return cls(closed, dependence.origins(closed), jax.tree.structure(results))

    def stages(self, stage_of_gates: Int[np.ndarray, " nodes"]) -> list[hoisting.Stage]:
        """Cut the program into stages."""
        free = {variable for variable, origin in self.origins.items() if origin.is_of_vector}
        return hoisting.stages(self.closed, self.numbers(stage_of_gates), free)

    def numbers(self, stage_of_gates: Int[np.ndarray, " nodes"]) -> dict[Var, int]:
        """Return the stage of each variable that is no constant."""
        numbers = dict.fromkeys(self.closed.jaxpr.invars, 0)

        def of(atom: Any) -> int:
            origin = self.origins.get(atom) if isinstance(atom, Var) else None
            if origin is not None and origin.is_of_vector:
                return int(stage_of_gates[origin.on].max())
            return numbers.get(atom, 0) if isinstance(atom, Var) else 0

        for equation in self.closed.jaxpr.eqns:
            number = stage_of_gates.max() if equation.effects else max(map(of, equation.invars), default=0)
            numbers.update(dict.fromkeys(equation.outvars, int(number)))
        return numbers

    def costs(self, numbers: dict[Var, int]) -> Float[np.ndarray, " stages"]:
        """Return the work of each stage but stage 0, in numbers written."""
        costs = np.zeros(1 + max(numbers.values()))
        for equation in self.repeated:
            costs[numbers[equation.outvars[0]]] += _cost(equation)
        return costs[1:]

    @property
    def repeated(self) -> list[JaxprEqn]:
        """The operations that depend on the gates, but those that only move gates or change each by itself."""
        results = {variable for variable, origin in self.origins.items() if origin.value is None and origin.on.any()}
        return [equation for equation in self.closed.jaxpr.eqns if not results.isdisjoint(equation.outvars)]

    def stage_of_gates(self) -> Int[np.ndarray, " nodes"]:
        """Return in which stage each gate is read first; stages begin with a gate, and are of about equal work."""
        repeated = self.repeated
        done = np.cumsum([0.0, *map(_cost, repeated)])
        first = np.full(self.closed.jaxpr.invars[0].aval.shape, len(repeated))
        for place, equation in reversed(list(enumerate(repeated))):
            for origin in (self.origins[atom] for atom in equation.invars if isinstance(atom, Var)):
                if origin.is_of_vector:
                    first[origin.on] = place
        begins: list[int] = []
        for place in np.unique(first):
            if not begins or done[place] - done[begins[-1]] >= done[-1] / STAGES:
                begins.append(int(place))
        return np.searchsorted(begins, first, side="right")


def _cost(equation: JaxprEqn) -> float:
    """Return about how many numbers an operation could write in its time."""
    name, params = equation.primitive.name, equation.params
    written = sum(math.prod(_shape(variable)) for variable in equation.outvars)
    if name == "dot_general":
        summed = params["dimension_numbers"][0][0]
        return written * (1 + math.prod(_shape(equation.invars[0])[axis] for axis in summed) / WRITING)
    if name == "conv_general_dilated":
        kernel, outputs = _shape(equation.invars[1]), params["dimension_numbers"].rhs_spec[0]
        return written * (1 + math.prod(kernel) / kernel[outputs] / WRITING)
    inner = sum(_cost(one) for body in tracing.bodies(equation) for one in body.jaxpr.eqns)
    return written + inner * params.get("length", 1)


def _shape(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape


def build(plan: Vmapped, masks: Shaped[np.ndarray, "masks nodes"]) -> tuple[Shared | None, str]:
    """Build the plan for gate vectors like some, if it does less work than the vmapped plan.

    Returns
    -------
    tuple
        The plan or None, and the reason in words.
    """
    together = preferred_batch(plan, gradients=False)
    if together >= len(masks):
        return None, f"{together} masks are evaluated together"
    program = _Program.of(plan)
    stage_of_gates = program.stage_of_gates()
    costs = program.costs(program.numbers(stage_of_gates))
    if len(costs) == 1:
        return None, "all gates are read at one place"
    most = min(MASKS, MOST_KEPT // _most_live(program.stages(stage_of_gates)))
    share = _share(masks, stage_of_gates, costs, most, together)
    if share > WORTHWHILE:
        return None, f"values that masks share would leave about {share:.0%} of the work"
    reason = f"masks share the values before the first gate that differs, which leaves about {share:.0%} of the work"
    return Shared(plan, tuple(stage_of_gates.tolist()), most, together), reason


def _most_live(stages: list[hoisting.Stage]) -> int:
    """Return the most bytes of a mask's values that are needed at a time."""
    last_read = {read: number for number, stage in enumerate(stages) for read in stage.reads}

    def live(number: int) -> int:
        return sum(
            size
            for source, stage in enumerate(stages[1 : number + 1], 1)
            for place, size in enumerate(stage.bytes)
            if last_read.get((source, place), source) >= number
        )

    return max(map(live, range(1, len(stages))))


def _share(
    masks: Shaped[np.ndarray, "masks nodes"],
    stage_of_gates: Int[np.ndarray, " nodes"],
    costs: Float[np.ndarray, " stages"],
    most: int,
    together: int,
) -> float:
    """Return the share of the work that is left for gate vectors, some of which share values."""

    def chunks(rows: int) -> int:
        return -(-rows // together)

    done = whole = 0.0
    for start in range(0, len(masks), most):
        batch = masks[start : start + most]
        for stage, cost in enumerate(costs, 1):
            done += cost * chunks(len(np.unique(batch[:, stage_of_gates <= stage], axis=0)))
        whole += costs.sum() * chunks(len(batch))
    return done / whole


@_compiling.jit
def losses(plan: Shared, gates: Float[Array, "masks nodes"]) -> Float[Array, " masks"]:
    """Return mean losses."""
    return plan.evaluate(gates, False).loss
