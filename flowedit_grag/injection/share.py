"""Where the source enters an edit: its keys and values, and how strongly they are seen (GRAG acts here)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..backbone.attention_hook import AttentionHook, Hooks, compose
from ..backbone.flow import Flow, TokenLayout
from ..errors import InputError
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.control import Control, ControlledGroup


@dataclass(frozen=True)
class ShareKV:
    """``rows`` attend with row ``source``'s keys and values on ``tokens`` (Stable Flow, arXiv:2411.14430).

    Nothing is stored: the source is a row of the batch. Sharing after norm and RoPE equals sharing before.
    """

    source: int
    rows: tuple[int, ...]
    tokens: slice | Tensor

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v: ``[batch, tokens, heads, head_dim]``."""
        k, v = k.clone(), v.clone()
        for row in self.rows:
            k[row, self.tokens], v[row, self.tokens] = k[self.source, self.tokens], v[self.source, self.tokens]
        return q, k, v


def source_hooks(
    v: GuidedVelocity, layout: TokenLayout, controls: Sequence[Control | None],
    layers: tuple[int, ...] | None = None, share: bool = True,
) -> Hooks:  # fmt: skip
    """In each of ``layers`` (by default the vital ones): K and V of the source (row 0) on the image tokens of
    every edit (the rows after it), unless not to ``share``; then each edit's control on them, guidance copies too."""
    edits = tuple(index for index, row in enumerate(v.rows) if row)  # all but the source's
    group = ControlledGroup(layout.image, tuple((None, *controls)[row] for row in v.rows), layout.text)
    hooks: list[AttentionHook] = [ShareKV(0, edits, layout.image)] if share else []
    hooks += [] if group.is_identity else [group]
    return dict.fromkeys(vital_layers(layers, v.flow), compose(*hooks)) if hooks else {}


def vital_layers(asked: tuple[int, ...] | None, flow: Flow) -> tuple[int, ...]:
    """The layers ``asked`` for, or else the model's own vital ones. Raises :class:`InputError` where none are known."""
    layers = flow.vital_layers if asked is None else asked
    if layers is None:
        name, finder = flow.name or "this model", "`flowedit-grag vital-layers`"
        raise InputError(f"the vital layers of {name} are not known; find them with {finder}, and give vital_layers.")
    return layers
