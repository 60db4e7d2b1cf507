"""Can the lab's CLIP see what scenes state, and judge edits? It must be able to be wrong; how often is it?

``judges.jsonl``: with ``picture`` (``drawn``, or ``decoded``: through the autoencoder) and the ``index`` of a scene in
its split, for each attribute whether the scene's own caption is nearer than all that say another value of an item's (0
or 1; ``null`` where there is none), and ``all``, nearer than each of these. With the ``id`` and ``task`` of a problem
and a ``judge``, whether it prefers the ground truth to the ``source``, and to a picture that is ``wrong`` in one
attribute. With ``id``, ``task`` and ``seed``, each judge's winner of two short edits, the first with the seed before
(0: undecided)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image

from flowedit_grag import Editor
from flowedit_grag.backbone.load import load
from flowedit_grag.experiments.samples import Sample, noise_seed
from flowedit_grag.judges import judge
from flowedit_grag.judges.lab_clip import LabCLIPJudge
from flowedit_grag.lab import world
from flowedit_grag.lab.captions import caption
from flowedit_grag.lab.render import render
from flowedit_grag.lab.scene import Item, Scene
from flowedit_grag.lab.tasks import EditingProblem
from flowedit_grag.report.intervals import rate
from flowedit_grag.report.measurements import Record, Records

from .base import Bench, Findings

SCENES, PER_TASK, EDITED_PER_TASK = 300, 30, 15
SEEDS, STEPS = 4, 10  # of the early filter's previews
MODEL, ADAPTER, CLIP = "lab-fill", "lab-moe", "lab-clip"
ATTRIBUTES = (*world.ATTRIBUTES, "background")
JUDGES = (CLIP, f"clip:{CLIP}")


def section(bench: Bench) -> list[Findings]:
    """Captions by attribute, pairs of drawn pictures, and pairs of edits."""
    records = bench.records(__file__, made_with=(bench.flow.name, MODEL, ADAPTER, CLIP), steps=STEPS, seeds=SEEDS)
    clip, sample = LabCLIPJudge(), bench.scenes(SCENES)
    chosen = Findings(f"The nearest caption, {len(sample)} {bench.split} scenes", ("another", "drawn", "decoded"))
    ways = ("drawn", "decoded")
    found = [[captions(bench, clip, way, *each, records) for each in enumerate(sample)] for way in ways]
    for name in (*ATTRIBUTES, "all"):
        rights = ([record[name] for record in own if record[name] is not None] for own in found)
        chosen.add(name, *(rate(right).percent() for right in rights))
    drawn, edited = (
        {problem.id: problem for problem in bench.problems(count)} for count in (PER_TASK, EDITED_PER_TASK)
    )
    title = f"The ground truth is preferred, {len(drawn)} {bench.split} edits"
    pairs = Findings(title, ("judge", "to the source", "to a wrong picture"))
    title = f"The oracle's judge agrees, {len(edited)} {bench.split} edits of {STEPS} steps with {SEEDS} seeds"
    edits = Findings(title, ("judge", "pairs of which the oracle prefers one", "agrees"))
    decided = [record for record in previews(bench, edited, records) if record["lab"]]
    for name in JUDGES:
        truth = [preferred(name, problem, records) for problem in drawn.values()]
        pairs.add(name, *(rate([record[other] for record in truth]).percent() for other in ("source", "wrong")))
        edits.add(name, len(decided), rate([record[name] == record["lab"] for record in decided]).percent())
    return [chosen, pairs, edits]


def captions(bench: Bench, clip: LabCLIPJudge, how: str, index: int, scene: Scene, records: Records) -> Record:
    """By attribute of any item, and of the background."""
    if known := records.find(picture=how, index=index):
        return known
    drawn = render(scene)
    picture = Image.fromarray(drawn) if how == "drawn" else bench.flow.decode(bench.flow.encode(drawn))
    seen, right = clip.seen(picture), {}
    for name in ATTRIBUTES:
        own, *others = (clip.said([caption(scene), *map(caption, varied(scene, name))]) @ seen).tolist()
        right[name] = int(own > max(others)) if others else None
    return records.add({"picture": how, "index": index}, **right, all=int(0 not in right.values()))


def varied(scene: Scene, name: str) -> list[Scene]:
    """``scene`` with each other value of an attribute, of each of its items in turn; two items only swap places."""
    if name == "background":
        return [replace(scene, background=value) for value in world.BACKGROUNDS if value != scene.background]
    if name == "position" and len(scene.items) == 2:
        one, two = scene.items
        if replace(one, position=two.position).stated == two.stated:
            return []
        return [replace(scene, items=(replace(one, position=two.position), replace(two, position=one.position)))]
    return [
        replace(scene, items=(*scene.items[:place], Item(**{**vars(item), name: value}), *scene.items[place + 1 :]))
        for place, item in enumerate(scene.items) for value in world.ATTRIBUTES[name] if value != getattr(item, name)
    ]  # fmt: skip


def preferred(name: str, problem: Sample, records: Records) -> Record:
    """Whether the ground truth wins over the source, and over a picture that differs from it in one attribute."""
    asked, edit = {"id": problem.id, "task": problem.task, "judge": name}, lab_problem(problem)
    if known := records.find(**asked):
        return known
    wrong = [one for of in ATTRIBUTES for one in varied(edit.target, of) if caption(one) != edit.source_prompt]
    index = np.random.default_rng(noise_seed(0, problem.id)).integers(len(wrong))
    source, truth, other = (Image.fromarray(render(one)) for one in (edit.source, edit.target, wrong[index]))
    wins = [judge(name)(edit.instruction, source, truth, one).winner == 1 for one in (source, other)]
    return records.add(asked, source=int(wins[0]), wrong=int(wins[1]))


def previews(bench: Bench, problems: Mapping[str, Sample], records: Records) -> Iterator[Record]:
    """Of each problem :data:`SEEDS` short edits, each judged against the one before."""
    editor = None
    for name, problem in problems.items():
        asked = [{"id": name, "task": problem.task, "seed": seed} for seed in range(1, SEEDS)]
        known = [records.find(**each) for each in asked]
        if all(known):
            yield from (record for record in known if record)
            continue
        editor = editor or Editor("icedit", load(MODEL, adapter=ADAPTER, device=bench.flow.device), steps=STEPS)
        source, instruction = problem.image(), lab_problem(problem).instruction
        edit = partial(editor.edit, source, instruction=instruction, detail="model")
        made = [edit(seed=noise_seed(seed, name)).image for seed in range(SEEDS)]
        for each, found, pair in zip(asked, known, pairwise(made), strict=True):
            said = {own: judge(own)(instruction, source, *pair).winner or 0 for own in ("lab", *JUDGES)}
            yield found or records.add(each, **said)


def lab_problem(sample: Sample) -> EditingProblem:
    """What a sample of the lab's poses."""
    assert sample.edit is not None
    return sample.edit
