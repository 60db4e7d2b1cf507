"""Folders of runs for tests of reports, as the runner leaves them, without a model at work."""

import numpy as np
from PIL import Image

from flowedit_grag.experiments.config import read
from flowedit_grag.experiments.folder import begin
from flowedit_grag.experiments.job import Job
from flowedit_grag.experiments.plan import work_items
from flowedit_grag.experiments.store import Store
from flowedit_grag.experiments.table import table, write
from flowedit_grag.metrics import Missing
from flowedit_grag.result import Result

CONFIG = """\
model: lab
out: {out}
seed: 3
dataset: {{name: lab, split: validation, per_task: {per_task}}}
metrics: [lab_success, psnr_outside, ssim_outside]
methods:
  sdedit: {{method: sdedit, steps: 1}}
  flowedit: {{method: flowedit, steps: 4, n_max: 3}}
  FlowEdit + GRAG: {{method: flowedit, steps: 4, n_max: 3, grag: 1.05}}
{more}"""


def run(out, *, per_task=2, more="", config=CONFIG, fails=(), without=(), unfinished=(), seed=0):
    """Make the folder ``out``, with numbers and pictures of no meaning.

    Args:
        more: lines of the config.
        fails, without, unfinished: pairs of row and sample id: those that failed, that have no ``ssim_outside``, and
            whose turn has not come.

    Returns the numbers by row, metric and sample.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(out.name + ".yaml")
    path.write_text(config.format(out=out, per_task=per_task, more=more))
    settings, rng, numbers = read(path), np.random.default_rng(seed), {}
    job = Job(settings, work_items(settings), out)
    begin(job)
    store = Store(out)
    for item in job.items:
        place = item.row.name, item.sample.id
        if place in unfinished:
            continue
        if place in fails:
            store.fail(item, RuntimeError(f"<b>no luck</b> with {item.sample.id}"))
            continue
        strength = 0.9 if item.row.grag is None else 1.8 - item.row.grag.delta
        image = Image.blend(item.sample.image(), item.sample.truth(), float(np.clip(strength, 0, 1)))
        store.keep(item, Result([image], image, 8, 4, 0.5 + rng.random(), 0.0, {}))
        known = {
            "lab_success": float(rng.random() < strength),
            "psnr_outside": 30 - 5 * strength + rng.random(),
            "ssim_outside": 0.98 - 0.1 * strength + 0.01 * rng.random(),
        }
        values = {metric.name: known.get(metric.name, 0.5) for metric in settings.metrics}
        if place in without:
            values["ssim_outside"] = Missing("no window fits")
        store.keep_scores(item, values, job.metric_keys)
        for name, value in values.items():
            if not isinstance(value, Missing):
                numbers.setdefault(item.row.name, {}).setdefault(name, {})[item.sample.id] = value
    write(table(job), job.folder)
    return numbers
