# A small image of one static program that runs as nobody in particular:
#   docker build -t logsift .
# It is a server or a worker by its arguments; compose.yaml shows both.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/logsift ./cmd/logsift
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/logsift /usr/local/bin/logsift
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV XDG_DATA_HOME=/data TMPDIR=/data
VOLUME /data
EXPOSE 8080
# The drain of 30 s, and a margin, must fit into the time that a stop is given:
# docker run --stop-timeout 45.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/logsift", "health"]
ENTRYPOINT ["/usr/local/bin/logsift"]
CMD ["serve", "--addr", "0.0.0.0:8080"]
