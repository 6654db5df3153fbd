"""From a history to changes: what became slower or faster, on which machines, since which commit."""
