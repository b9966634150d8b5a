"""Pages of HTML that open from disk: a profile, and a comparison."""
