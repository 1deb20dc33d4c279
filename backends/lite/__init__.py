"""A small neural English voice that needs no GPU and no download: hibari-tts on onnxruntime."""
