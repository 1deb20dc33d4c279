"""Routes: each translates one wire format into a SpeechRequest and back. No behaviour lives here."""
