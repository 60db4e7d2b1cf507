"""What happens at an attention call: whose keys and values are seen, and how strongly.

The hook itself, and what installs it for one forward call, is :mod:`flowedit_grag.backbone.attention_hook`.
"""
