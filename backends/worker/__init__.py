"""The process that holds one engine: a channel to the gateway and a loop."""
