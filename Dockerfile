# Compiled in one stage, run in another that has neither compiler nor dev dependencies.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The embedded Postgres is an optional dependency: a container has a real server beside it.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY --from=build /app/dist dist
COPY sql sql
COPY demo/*.sql demo/
COPY sync.yaml ./
USER node
EXPOSE 3000 4010 9464
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["--help"]
