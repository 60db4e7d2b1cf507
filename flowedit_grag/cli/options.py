"""What can be typed behind a command; most of it behind more than one."""

from pathlib import Path
from typing import Annotated, Optional

import typer

Seed = Annotated[int, typer.Option(help="Of the noise.")]
Device = Annotated[Optional[str], typer.Option(help="cuda, mps or cpu; by default the best there is.")]
Dtype = Annotated[Optional[str], typer.Option(help="float32, bfloat16 or float16.")]
Offload = Annotated[str, typer.Option(help="none, model, sequential or group.")]
Quantization = Annotated[Optional[str], typer.Option(help="A diffusers backend, such as bitsandbytes_4bit.")]

# Of an edit.
ImagePath = Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to edit.", show_default=False)]
Options = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Of the method (`flowedit-grag methods`), or lora, compile, attention_backend.",
    ),
]
SourcePrompt = Annotated[Optional[str], typer.Option(help="What the picture shows.")]
TargetPrompt = Annotated[Optional[str], typer.Option(help="What it should show.")]
Instruction = Annotated[Optional[str], typer.Option(help="What to change, for icedit: 'make the star green'.")]
MethodName = Annotated[
    Optional[str],
    typer.Option(
        "--method", help="`flowedit-grag methods` lists them.  [default: icedit with --instruction, else stableflow+]"
    ),
]
Adapter = Annotated[
    Optional[str], typer.Option(help="LoRA or LoRA-MoE: a file, a folder, a hub id, lab-lora or lab-moe.")
]
Lam = Annotated[Optional[float], typer.Option(help="GRAG's weight of the keys' mean.")]
Model = Annotated[
    Optional[str],
    typer.Option(
        help="A folder, a hub id such as black-forest-labs/FLUX.1-dev, lab, lab-fill; by default what suits the method."
    ),
]
EarlyFilterText = Annotated[
    Optional[str], typer.Option("--early-filter", help="SEEDSxSTEPS, such as 6x10: finish the best of 6 previews.")
]
JudgeName = Annotated[
    Optional[str],
    typer.Option("--judge", help="Of the previews: lab, clip, vlm:MODEL, openai:MODEL@URL; else what suits the model."),
]
BothOrders = Annotated[bool, typer.Option("--both-orders", help="Ask the judge twice, with the pictures swapped.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the winner's preview; cheaper.")]
KeepRecord = Annotated[bool, typer.Option("--keep-record", help="Write previews and answers beside the picture.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
