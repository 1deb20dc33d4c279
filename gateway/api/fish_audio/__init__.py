"""The API of Fish Audio and of Fish-Speech's own server from 1.4 on."""
