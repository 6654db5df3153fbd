"""What a trial found, for people (terminal, Markdown) and for programs (JSON)."""
