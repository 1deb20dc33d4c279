#   docker build -t voxgate .                                   the gateway, on port 8000
#   docker build --target sagemaker -t voxgate-sagemaker .      a container for Amazon SageMaker
# --build-arg EXTRAS=lite leaves out PyTorch; EXTRAS=lite,f5,fish,fish-zh,fish-ja includes all languages.
# PyTorch's wheels include CUDA, so the image runs on a CPU and, with the NVIDIA container toolkit, on a GPU.
FROM python:3.11-slim AS base

WORKDIR /src
COPY pyproject.toml constraints.txt overrides.txt README.md LICENSE NOTICE ./
COPY gateway gateway
COPY backends backends
COPY configs configs
ARG EXTRAS=lite,f5,fish
RUN pip install --no-cache-dir --constraint constraints.txt uv \
    && uv pip install --system --no-cache --constraints constraints.txt --overrides overrides.txt ".[${EXTRAS}]" \
    && rm -rf /src

WORKDIR /
ENV VOXGATE_HOST=0.0.0.0 \
    VOXGATE_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["voxgate"]
CMD ["serve"]

# SageMaker runs `docker run IMAGE serve`. The port is 8080, or SAGEMAKER_BIND_TO_PORT.
FROM base AS sagemaker
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.bidirectional-streaming=true
ENV VOXGATE_SAGEMAKER=true
EXPOSE 8080
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s \
    CMD python -c "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('SAGEMAKER_BIND_TO_PORT', '8080') + '/health/live', timeout=2)"

FROM base AS gateway
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s \
    CMD python -c "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('VOXGATE_PORT', '8000') + '/health/live', timeout=2)"
