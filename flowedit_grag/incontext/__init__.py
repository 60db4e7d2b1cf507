"""Parts of in-context editing (ICEdit, arXiv:2504.20690): prompts, diptychs, judges."""
