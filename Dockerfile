# docker build --tag color-variants .
# docker run --rm color-variants                               # make demo
# docker run --rm --shm-size 1g color-variants make test       # 1 GB, which the browser shares
#
# `make lint` checks this file with hadolint. It was written where no container engine runs: nobody
# has built it yet.
FROM python:3.11-slim-bookworm AS tools
# Debian keeps only the newest version of a package, so a pinned one would soon be missing.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends chromium git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 variants \
    && install --directory --owner 1000 --group 1000 /home/variants/color-variants
USER 1000
WORKDIR /home/variants/color-variants

FROM tools
# With .git: a retraining is made from a commit.
COPY --chown=1000:1000 . .
RUN PIP_NO_CACHE_DIR=1 make install
CMD ["make", "demo"]
