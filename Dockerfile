# The gateway as a container: see docs/operations.md, "Containers".
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY . .
# Builds too, by the script "prepare".
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=4000 \
    AUTH=keys \
    DATA_DIR=/var/lib/likeness
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/examples ./examples
COPY --from=build /app/dist ./dist
RUN mkdir -p /var/lib/likeness && chown node:node /var/lib/likeness
# An ordinary user: uid 1000.
USER node
VOLUME /var/lib/likeness
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
