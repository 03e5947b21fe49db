# docker build -t lemur . && docker run --rm -it lemur make reproduce      (docs/containers.md)
FROM debian:12-slim AS tools
# Debian's security updates count for more than one version for ever; the Python libraries are pinned by hashes.
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -y --no-install-recommends ca-certificates git make python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash lemur \
    && install -d -o lemur -g lemur /home/lemur/lemur
USER 1000:1000

FROM tools
WORKDIR /home/lemur/lemur
# The context is .git without its config, which may hold tokens (.dockerignore): the image has what HEAD has.
COPY --chown=1000:1000 .git .git
RUN git init -q && git reset -q --hard && make setup && rm -rf ~/.cache
ENV PATH=/home/lemur/lemur/.venv/bin:$PATH
CMD ["bash"]
