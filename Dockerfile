# Compiles on the machine's own architecture for any other. `make image` builds it; without Docker, `make image-ko`. There is no
# "syntax" line: the builder's own frontend knows all that is used here, and none is asked for at a registry.
ARG BASE=gcr.io/distroless/static-debian13:nonroot

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS=-mod=readonly
# The same sources, version and Go give the same bytes: no paths, no build ID, no time.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -tags nomsgpack -trimpath -buildvcs=false -pgo=cmd/server/server.pgo -ldflags "-s -w -buildid= -X main.version=$VERSION" -o /out/ ./cmd/server ./cmd/vendorsim

# No shell, no package manager, root certificates, user 65532.
FROM $BASE
ARG VERSION=dev REVISION=unknown
LABEL org.opencontainers.image.title="spillway" \
      org.opencontainers.image.description="Calls an LLM vendor safely under production traffic" \
      org.opencontainers.image.source="https://github.com/spillway-dev/spillway" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /out/server /out/vendorsim /
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/server"]
