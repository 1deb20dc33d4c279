"""Responses of language models on Amazon Bedrock."""
