"""Training of LoRA and LoRA-MoE adapters on instruction edit pairs, in a diptych (arXiv:2504.20690, §3.2).

``loop.train`` is all there is to call; everything random in it is drawn from (seed, sample number).
"""
