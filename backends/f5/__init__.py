"""F5-TTS and E2-TTS: flow matching with voice cloning, batched across requests at every step of the ODE."""
