"""Amazon SageMaker's container contract."""

from gateway.api.sagemaker import routes

ROUTERS = (routes.router,)
