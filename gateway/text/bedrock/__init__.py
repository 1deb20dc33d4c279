"""Answers of models on Amazon Bedrock."""
