"""The contract of an Amazon SageMaker inference container."""
