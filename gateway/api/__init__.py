"""HTTP and WebSocket routes, one folder per dialect: each maps its wire format to the service and back."""
