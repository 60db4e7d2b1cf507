"""Options that commands share."""

from typing import Annotated, Optional

import typer

Seed = Annotated[int, typer.Option(help="Of the noise.")]
Device = Annotated[Optional[str], typer.Option(help="cuda, mps or cpu; by default the best there is.")]
Dtype = Annotated[Optional[str], typer.Option(help="float32, bfloat16 or float16.")]
Offload = Annotated[str, typer.Option(help="none, model, sequential or group.")]
Quantization = Annotated[Optional[str], typer.Option(help="A diffusers backend, such as bitsandbytes_4bit.")]
