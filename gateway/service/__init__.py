"""The one story that every API serves: a request becomes speech."""
