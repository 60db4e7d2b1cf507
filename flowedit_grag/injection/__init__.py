"""What happens at an attention call: one seam, and the edits that can be installed there."""
