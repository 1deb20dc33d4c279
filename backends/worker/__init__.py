"""The worker process: one engine, a channel to the gateway, and the loop between them."""
