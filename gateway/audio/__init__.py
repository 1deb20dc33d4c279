"""Audio formats: encoding of synthesized speech, decoding of uploaded recordings."""
