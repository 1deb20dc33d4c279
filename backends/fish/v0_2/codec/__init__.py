"""The codec of Fish-Speech 0.2: sound to codes and back, at once or as the codes come."""
