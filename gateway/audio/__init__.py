"""Audio formats: which there are, encoding what engines say, decoding what people upload."""
