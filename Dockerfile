# The gateway with the lite engine, for the CPU. No CUDA stage yet: the engines that need one are not here yet.
FROM python:3.11-slim

WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY gateway gateway
COPY backends backends
COPY configs configs
RUN pip install --no-cache-dir --constraint constraints.txt '.[lite]' && rm -rf /src

WORKDIR /
ENV VOXGATE_HOST=0.0.0.0 \
    VOXGATE_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s \
    CMD python -c "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('VOXGATE_PORT', '8000') + '/health/live', timeout=2)"
ENTRYPOINT ["voxgate"]
CMD ["serve"]
