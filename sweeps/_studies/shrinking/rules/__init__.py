"""Rules of the shrinking study: from its numbers to verdicts, a module a subject."""
