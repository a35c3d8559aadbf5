"""Methods: sets of rules, and the named methods of the literature."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _patterns
from sweeps.relevance._matrices import MATRIX_RULES, Gradient, MatrixRule
from sweeps.relevance._maxima import MAXIMUM_RULES, MaximumRule
from sweeps.relevance._nonlinearities import NONLINEARITY_RULES, Derivative, Guided, NonlinearityRule, Repeat
from sweeps.relevance._products import PRODUCT_RULES, Both, ProductRule
from sweeps.relevance._steps import Program, Step, every

Quantity = Literal["relevance", "sensitivity", "factor", "difference", "path"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A rule for each kind of step, and the quantity that goes backwards.

    A rule is an object of ``sweeps.relevance``, or its name in one of the tables ``MATRIX_RULES``,
    ``NONLINEARITY_RULES``, ``MAXIMUM_RULES`` and ``PRODUCT_RULES``. ``METHODS`` holds the rules of each named method.

    Parameters
    ----------
    matrix : str or object, default "normalised"
        Rule for layers, a key of ``MATRIX_RULES`` or a matrix rule. Sums without parameters, such as average pooling,
        go by the gradient if this is ``"gradient"``, and otherwise by the normalised rule.
    nonlinearity : str or object, default "ignore"
        Rule for nonlinearities, a key of ``NONLINEARITY_RULES`` or such a rule.
    maximum : str or object, default "gradient"
        Rule for maxima, a key of ``MAXIMUM_RULES`` or such a rule.
    quantity : {"relevance", "sensitivity", "factor", "difference", "path"}
        What goes backwards.

        - ``"relevance"``: R; starts as the output's value
        - ``"sensitivity"``: R; starts as 1
        - ``"factor"``: Q = R / a; starts as 1; R = Q a
        - ``"difference"``: Q = R / (a - a0) with the baseline's a0; starts as 1; R = Q (a - a0)
        - ``"path"``: ``"difference"``, summed over short pieces of the straight path from the baseline to the input
    product : str or object, optional
        Rule for products of activations, a key of ``PRODUCT_RULES`` or such a rule. None takes what goes with the
        quantity: ``"half"`` for relevance, ``"rescale"`` for differences, ``"gradient"`` for derivatives. With
        ``"gradient"`` any other operation is differentiated too, and none needs a rule.
    expand : {"softmax", "all"}
        Operations that go back by their Taylor expansion b = sum_i J_i a_i + rest with the derivatives J at a, where
        the rest is a bias. ``"softmax"``: softmax, its logarithm and logsumexp; ``"all"``: whatever else has no rule,
        too, where otherwise an error says which operation has none.
    first : str or object, optional
        Matrix rule of the layers that read the inputs, such as ``ZBox``; None takes ``matrix``.
    by_layer : dict of str to object
        Matrix rules by pattern of paths, ``{"layers/0": Flat(), "blocks/**": "gamma"}``. The first pattern that fits a
        layer wins, over ``first`` too.

    Attributes
    ----------
    differentiates : bool
        Whether all operations but nonlinearities and maxima are differentiated, so that none needs a rule.
    needs_baseline : bool
        Whether the input is compared with a baseline.

    Raises
    ------
    InputError
        If a name is unknown, or a rule needs another quantity.

    See Also
    --------
    attribute : Takes rules, or the name of a method.

    Examples
    --------
    >>> import sweeps
    >>> rules = sweeps.relevance.Rules(matrix="gamma", first=sweeps.relevance.ZBox(low=0, high=1))
    >>> rules.matrix, rules.quantity
    (Gamma(eps=1e-06, gamma=0.25), 'relevance')
    >>> sweeps.relevance.METHODS["slope"].nonlinearity
    Slope()
    """

    matrix: Any = "normalised"
    nonlinearity: Any = "ignore"
    maximum: Any = "gradient"
    quantity: Quantity = "relevance"
    product: Any = None
    expand: Literal["softmax", "all"] = "softmax"
    first: Any = None
    by_layer: Any = ()

    def __post_init__(self) -> None:
        """Replace names by rules."""
        pairs = _pairs(self.by_layer)
        rules = {
            "matrix": _rule("matrix", self.matrix, MATRIX_RULES),
            "nonlinearity": _rule("nonlinearity", self.nonlinearity, NONLINEARITY_RULES),
            "maximum": _rule("maximum", self.maximum, MAXIMUM_RULES),
            "product": self.product,
            "first": None if self.first is None else _rule("first", self.first, MATRIX_RULES),
            "by_layer": tuple((pattern, _rule("by_layer", rule, MATRIX_RULES)) for pattern, rule in pairs),
        }
        for name, value in rules.items():
            # In a frozen dataclass, so that equal rules compile once.
            object.__setattr__(self, name, value)
        _checks.one_of("quantity", self.quantity, get_args(Quantity))
        product = self._usual_product() if self.product is None else self.product
        object.__setattr__(self, "product", _rule("product", product, PRODUCT_RULES))
        self._check()

    def _usual_product(self) -> str:
        """Return the product rule that goes with the quantity."""
        if self.quantity == "factor":
            return "gradient" if isinstance(self.nonlinearity, Derivative | Repeat | Guided) else "half"
        return {"relevance": "half", "difference": "rescale"}.get(self.quantity, "gradient")

    def _check(self) -> None:
        _checks.one_of("expand", self.expand, ("softmax", "all"))
        matrices = [
            rule for rule in (self.matrix, self.first, *(rule for _, rule in self.by_layer)) if rule is not None
        ]
        if self.quantity != "relevance" and any(not isinstance(rule, Gradient) for rule in matrices):
            raise InputError(f"quantity {self.quantity!r} goes back by the matrix rule 'gradient' alone")
        if self.quantity != "difference" and "difference" in self.nonlinearity.conserves + self.maximum.conserves:
            raise InputError(f"rule 'rescale' needs the quantity 'difference', got {self.quantity!r}")
        if (self.quantity == "difference") != self.product.is_halfway:
            raise InputError("the product rule 'rescale' and the quantity 'difference' go together")
        if self.quantity == "path" and not self.differentiates:
            raise InputError("quantity 'path' goes back by the product rule 'gradient' alone")

    @property
    def differentiates(self) -> bool:
        """Whether all operations but nonlinearities and maxima are differentiated, so that none needs a rule."""
        return isinstance(self.product, Both)

    @property
    def needs_baseline(self) -> bool:
        """Whether the input is compared with a baseline."""
        return self.quantity in ("difference", "path")

    def matrix_of(self, step: Step) -> MatrixRule:
        """Return the rule of a layer or a sum."""
        rule = self.first if step.is_first and self.first is not None else self.matrix
        if step.kind != "layer":
            return rule.plain
        rule = next((other for pattern, other in self.by_layer if _patterns.fits(step.layer, pattern)), rule)
        return rule if step.kernel is not None else rule.plain

    def check_layers(self, program: Program) -> None:
        """Raise ValueError if a pattern fits no layer."""
        layers = [step.layer for step in every(program.steps) if step.kind == "layer"]
        for pattern, _ in self.by_layer:
            if not any(_patterns.fits(layer, pattern) for layer in layers):
                hint = _patterns.hint(pattern, layers)
                raise InputError(f"by_layer: {pattern!r} fits none of the layers {', '.join(layers)}{hint}")

    def conserve(self, step: Step) -> bool:
        """Whether a step passes on all that it receives, biases and stabilisers included."""
        quantity = self.quantity
        if step.has_data and self.needs_baseline:
            return False
        if step.kind == "copy":
            return True
        if step.kind == "function":
            return not self.differentiates
        if step.kind == "product":
            return quantity in self.product.conserves
        if step.kind == "nonlinearity":
            return quantity in self.nonlinearity.conserves
        if step.kind == "maximum":
            return quantity in self.maximum.conserves
        return ("difference" if quantity == "path" else quantity) in self.matrix_of(step).conserves


def _pairs(by_layer: Any) -> list[tuple[str, Any]]:
    pairs = by_layer.items() if isinstance(by_layer, Mapping) else by_layer
    is_list = isinstance(pairs, Collection) and not isinstance(pairs, str)
    if not is_list or not all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise InputTypeError(f"by_layer must be a dict from patterns of paths to rules, got {_checks.shown(by_layer)}")
    return list(pairs)


Rule = TypeVar("Rule", MatrixRule, NonlinearityRule, MaximumRule, ProductRule)


def _rule(argument: str, rule: Any, table: Mapping[str, Rule]) -> Rule:
    if not isinstance(rule, str):
        if isinstance(rule, type) or not any(isinstance(rule, type(known).__mro__[-2]) for known in table.values()):
            raise InputError(f"{argument} must be one of {', '.join(table)}, or such a rule, got {_checks.shown(rule)}")
        return rule
    if rule not in table:
        more = "; z_box needs its bounds: ZBox(low=..., high=...)" if rule == "z_box" else ""
        raise InputError(f"{argument} must be one of {', '.join(table)}, or a rule, got {_checks.shown(rule)}{more}")
    return table[rule]


METHODS: dict[str, Rules] = {
    "gradient": Rules(matrix="gradient", nonlinearity="gradient", quantity="sensitivity"),
    "gradient_x_input": Rules(matrix="gradient", nonlinearity="gradient", quantity="factor"),
    "deconvnet": Rules(matrix="gradient", nonlinearity="repeat", quantity="sensitivity"),
    "guided_backprop": Rules(matrix="gradient", nonlinearity="guided", quantity="sensitivity"),
    "lrp": Rules(matrix="normalised", nonlinearity="ignore"),
    "slope": Rules(matrix="gradient", nonlinearity="slope", quantity="factor"),
    "deeplift": Rules(matrix="gradient", nonlinearity="rescale", maximum="rescale", quantity="difference"),
    "integrated_gradients": Rules(matrix="gradient", nonlinearity="gradient", quantity="path"),
}
