"""F5-TTS and E2-TTS: flow matching with voice cloning; all requests share one batch at every step of the ODE."""
