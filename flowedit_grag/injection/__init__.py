"""What happens at an attention call: one hook, and what can be installed there."""
