"""The dialect-independent service: from a validated request to encoded speech."""
