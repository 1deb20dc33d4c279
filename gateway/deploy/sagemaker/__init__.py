"""A SageMaker endpoint from an image: one plan of calls, which is executed, printed or rendered as a template."""
