"""The codec of Fish-Speech 0.2, a VQGAN: audio to codes and back, whole or as a stream."""
