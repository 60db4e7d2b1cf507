"""The source's keys and values, given to other rows of the same batch (StableFlow, arXiv:2411.14430)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..backbone.attention_hook import AttentionHook, compose
from ..backbone.sequence import TokenLayout
from ..guidance.classifier_free import GuidedVelocity
from ..guidance.control import Control, ControlledGroup


@dataclass(frozen=True)
class ShareKV:
    """``rows`` attend with row ``source``'s keys and values on ``tokens``. Nothing is stored: the source is a row of
    the batch. Sharing after norm and RoPE equals sharing before, since both are the same for every row."""

    source: int
    rows: tuple[int, ...]
    tokens: slice | Tensor

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v: ``[batch, tokens, heads, head_dim]``."""
        return q, self._shared(k), self._shared(v)

    def _shared(self, x: Tensor) -> Tensor:
        x = x.clone()
        for row in self.rows:
            x[row, self.tokens] = x[self.source, self.tokens]
        return x


def source_hook(
    v: GuidedVelocity, layout: TokenLayout, controls: Sequence[Control | None], share: bool = True
) -> AttentionHook:
    """What happens in one layer where the source enters: its K and V (row 0 of x) on the image tokens of every edit
    (the rows after it), unless not to ``share``; then each edit's control on these keys, which is where GRAG acts."""
    rows = v.batch_rows(range(1, len(controls) + 1))
    group = ControlledGroup(layout.image, rows, tuple(controls[v.rows[row] - 1] for row in rows), layout.text)
    return compose(*([ShareKV(0, rows, layout.image)] if share else []), *([] if group.is_identity else [group]))
