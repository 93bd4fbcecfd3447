# syntax=docker/dockerfile:1
#
# rollcall as an image: `docker compose build`. The first build compiles RocksDB and librdkafka, which
# takes a while; the caches keep it.

FROM rust:1.95.0-bookworm AS build
# Else rustup would fetch what rust-toolchain.toml names: the newest, with rustfmt and clippy.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TARGET_DIR=/target
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        cmake libclang-dev libcurl4-openssl-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    cargo build --release --locked --package rollcall \
    && install -D -s /target/release/rollcall /out/rollcall

FROM debian:bookworm-slim
# curl asks for readiness; the certificates vouch for brokers with TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home rollcall \
    && install -d -o rollcall -g rollcall /var/lib/rollcall
COPY --from=build /out/rollcall /usr/local/bin/rollcall
USER rollcall
# A named volume takes the owner from here.
VOLUME /var/lib/rollcall
# The API, the ops port, and that of metrics and probes alone.
EXPOSE 8080 8081 8090
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8081/readyz"]
ENTRYPOINT ["rollcall"]
CMD ["run", "--config", "/etc/rollcall/rollcall.toml"]
