"""What every dialect shares: authentication, limits, bodies, responses, errors, WebSockets."""
