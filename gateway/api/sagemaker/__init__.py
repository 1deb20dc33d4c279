"""The contract of an Amazon SageMaker inference container."""

from gateway.api.sagemaker import routes

ROUTERS = (routes.router,)
