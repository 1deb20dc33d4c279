# Targets: cpu, sagemaker, and cuda, which is the default. docs/images.md describes them and the build arguments.
ARG BASE=python:3.11-slim
ARG BASE_DIGEST=

FROM ${BASE}${BASE_DIGEST} AS builder
WORKDIR /src
# Bytecode without file times, so that the same packages give the same layer.
ENV VIRTUAL_ENV=/opt/venv UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=UNCHECKED_HASH
COPY constraints.txt ./
RUN python3 -m venv /opt/uv \
    && sed -n '/^uv==/,/[^\\]$/p' constraints.txt > /opt/uv/uv.txt \
    && /opt/uv/bin/pip install --no-cache-dir --require-hashes --requirement /opt/uv/uv.txt \
    && ln -s /opt/uv/bin/uv /usr/local/bin/uv \
    && python3 -m venv --without-pip /opt/venv

# Dependencies without the project. PyTorch is moved out, because it is a layer of its own in the image.
FROM builder AS dependencies
# FFMPEG=wheel: PyAV's wheel, whose FFmpeg has GPL parts. FFMPEG=lgpl: an FFmpeg without them, and PyAV built for it.
ARG FFMPEG=wheel
ARG FFMPEG_URL=https://ffmpeg.org/releases/ffmpeg-8.1.2.tar.xz
ARG FFMPEG_SHA256=464beb5e7bf0c311e68b45ae2f04e9cc2af88851abb4082231742a74d97b524c
COPY scripts/ffmpeg_lgpl.sh ./
RUN if [ "$FFMPEG" = lgpl ]; then ./ffmpeg_lgpl.sh; fi
ARG EXTRAS=lite,f5,fish
ARG TORCH_INDEX=
COPY pyproject.toml overrides.txt overrides-image.txt ./
# constraints.txt has the hashes of PyPI's files, not those of another index.
RUN set -e; \
    if [ -n "$TORCH_INDEX" ]; then \
      uv pip install --constraints constraints.txt --no-verify-hashes --no-deps --index-url "$TORCH_INDEX" torch torchaudio; \
    fi; \
    IFS=,; for extra in $EXTRAS; do set -- "$@" --extra "$extra"; done; unset IFS; \
    uv pip install --constraints constraints.txt --overrides overrides.txt --overrides overrides-image.txt \
      --requirements pyproject.toml "$@"; \
    packages=$(echo /opt/venv/lib/python3*/site-packages); \
    mkdir -p "/torch$packages"; \
    for name in torch nvidia triton; do \
      if [ -d "$packages/$name" ]; then mv "$packages/$name" "/torch$packages"; fi; \
    done

# Software bill of materials, in the format CycloneDX. The tool that writes it does not become part of the image.
RUN python3 -m venv --without-pip /opt/sbom \
    && uv pip install --python /opt/sbom/bin/python --constraints constraints.txt cyclonedx-bom \
    && mkdir -p /opt/venv/share/voxgate \
    && /opt/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
      --output-file /opt/venv/share/voxgate/sbom.cdx.json /opt/venv

FROM builder AS project
COPY . .
RUN uv pip install --constraints constraints.txt --no-deps --prefix /project .

# BAKE: arguments of `voxgate pull`, whose files become part of the image.
FROM project AS weights
ARG BAKE=
ARG HF_ENDPOINT
RUN --mount=type=secret,id=hf_token set -e; \
    mkdir /weights; \
    if [ -n "$BAKE" ]; then \
      uv pip install --constraints constraints.txt .; \
      for argument in $BAKE; do set -- "$@" "$argument"; done; \
      HF_TOKEN_PATH=/run/secrets/hf_token HF_HUB_CACHE=/weights /opt/venv/bin/voxgate pull "$@"; \
    fi

FROM ${BASE}${BASE_DIGEST} AS runtime
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin voxgate \
    && install --directory --owner=10001 --group=10001 /data /data/hub
COPY --from=dependencies /torch /
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=weights /weights /opt/weights
COPY --from=project /project /opt/venv
# Only /data, a volume, and /tmp are written. Libraries keep their caches in the home folder.
ARG BAKE=
ARG HUB_CACHE=${BAKE:+/opt/weights}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/data \
    XDG_STATE_HOME=/tmp \
    HF_HUB_CACHE=${HUB_CACHE:-/data/hub} \
    VOXGATE_DATA_DIR=/data \
    VOXGATE_HOST=0.0.0.0
VOLUME /data
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('VOXGATE_PORT', '8000') + '/health/live', timeout=2)"]
ENTRYPOINT ["voxgate"]
CMD ["serve"]
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title=Voxgate \
      org.opencontainers.image.description="A text-to-speech gateway: several speech engines behind one HTTP API" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED

FROM runtime AS cpu
EXPOSE 8000
USER 10001:10001

# SageMaker runs `docker run IMAGE serve`, as root: its containers must, to read the model and to write to its folders.
FROM runtime AS sagemaker
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility VOXGATE_SAGEMAKER=true
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.bidirectional-streaming=true
EXPOSE 8080
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('SAGEMAKER_BIND_TO_PORT', '8080') + '/health/live', timeout=2)"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8000
USER 10001:10001
