"""Keys and values of the source row, given to other rows of the same batch (StableFlow, arXiv:2411.14430)."""

from dataclasses import dataclass

from torch import Tensor


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
