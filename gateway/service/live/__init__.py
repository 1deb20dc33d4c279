"""Live sessions: text in while audio flows out."""
