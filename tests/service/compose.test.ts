import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { options } from '../../shared/service/options.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

const text = { type: 'string' };
const words = { type: 'array', items: text };
const command = { anyOf: [text, words] };
const duration = { type: 'string', pattern: '^(\\d+(h|m|s|ms|us))+$' };
const condition = {
  enum: ['service_started', 'service_healthy', 'service_completed_successfully'],
};

/** The parts of the Compose specification's schema that the file uses; anything else is a mistake. */
const schema = {
  type: 'object',
  required: ['services'],
  additionalProperties: false,
  patternProperties: { '^x-': {} },
  properties: {
    services: {
      type: 'object',
      patternProperties: { '^[a-zA-Z0-9._-]+$': { $ref: '#/definitions/service' } },
      additionalProperties: false,
    },
    volumes: {
      type: 'object',
      additionalProperties: { type: ['object', 'null'] },
    },
  },
  definitions: {
    service: {
      type: 'object',
      additionalProperties: false,
      anyOf: [{ required: ['image'] }, { required: ['build'] }],
      properties: {
        build: { anyOf: [text, { type: 'object' }] },
        image: text,
        init: { type: 'boolean' },
        command,
        environment: {
          type: 'object',
          additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
        },
        volumes: words,
        ports: { type: 'array', uniqueItems: true, items: text },
        profiles: words,
        restart: { type: 'string', pattern: '^(no|always|unless-stopped|on-failure(:\\d+)?)$' },
        stop_grace_period: duration,
        depends_on: {
          type: 'object',
          additionalProperties: {
            type: 'object',
            required: ['condition'],
            additionalProperties: false,
            properties: { condition },
          },
        },
        healthcheck: {
          type: 'object',
          additionalProperties: false,
          properties: {
            test: command,
            interval: duration,
            timeout: duration,
            start_period: duration,
            retries: { type: 'integer', minimum: 1 },
          },
        },
      },
    },
  },
};

interface Service {
  readonly command?: string[];
  readonly environment?: Record<string, string>;
  readonly depends_on?: Record<string, { condition: string }>;
  readonly volumes?: string[];
}

async function readCompose(): Promise<{ services: Record<string, Service> }> {
  return parse(await readFile(join(packageRoot, 'docker-compose.yml'), 'utf8'), { merge: true });
}

test('the compose file fits the Compose schema', async () => {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
  validate(await readCompose());
  expect(validate.errors).toBeNull();
});

test('both rooms wait for an init that ended well, which waits for a healthy Postgres', async () => {
  const { services } = await readCompose();
  expect(services.postgres?.command).toContain('wal_level=logical');
  expect(services.init?.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
  for (const room of ['cdc', 'webhook']) {
    expect(services[room]?.depends_on?.init).toEqual({
      condition: 'service_completed_successfully',
    });
  }
});

test('every service that is named, every variable and every mounted file exists', async () => {
  const { services } = await readCompose();
  const ours = new Set<string>(Object.values(options).map(({ variable }) => variable));
  for (const [name, service] of Object.entries(services)) {
    for (const other of Object.keys(service.depends_on ?? {}))
      expect(services).toHaveProperty(other);
    for (const variable of Object.keys(service.environment ?? {})) {
      if (name !== 'postgres') expect([...ours]).toContain(variable);
    }
    for (const volume of service.volumes ?? []) {
      const [from = ''] = volume.split(':');
      if (from.startsWith('./')) await readFile(join(packageRoot, from));
    }
  }
});
