import { Writable } from 'node:stream';
import pg from 'pg';
import { serviceError } from '../../shared/service/errors.ts';
import { createLogger } from '../../shared/service/logger.ts';

function collect() {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLogger({ log: { level: 'debug', format: 'json' } }, { destination });
  return { log, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? 'null') };
}

test('secrets are blanked at every depth that a line uses', () => {
  const { log, text } = collect();
  log.info({
    accessToken: 'pat-1',
    config: { clientSecrets: ['pat-2'], hubspot: { token: 'pat-3' } },
  });
  log.info({ headers: { authorization: 'Bearer pat-4' }, databaseUrl: 'postgres://a:pat-5@b/c' });
  expect(text()).not.toMatch(/pat-\d/);
  expect(text()).toContain('[secret]');
});

test('an error of HubSpot keeps its status and correlation id, and loses the body that quotes values', () => {
  const { log, text, last } = collect();
  const body = {
    category: 'VALIDATION_ERROR',
    correlationId: 'c-1',
    message: 'ada@example.com bad',
  };
  const error = Object.assign(new Error(`HTTP-Code: 400\nBody: ${JSON.stringify(body)}`), {
    code: 400,
    body,
    headers: {},
  });
  log.error({ err: error }, 'refused');
  log.error({ err: new Error('the batch failed', { cause: error }) });
  log.error(error);
  expect(text()).not.toContain('ada@example.com');
  expect(last().err ?? last()).toMatchObject({ code: 400, correlationId: 'c-1' });
});

test.each([
  ['22P02', 'invalid input syntax for type integer: "ada"'],
  ['P0001', 'the trigger does not like ada'],
])(
  'an error %s of Postgres keeps its place and loses the detail and what quotes a value',
  (code, message) => {
    const { log, text, last } = collect();
    const error = new pg.DatabaseError(message, 10, 'error');
    Object.assign(error, {
      code,
      detail: 'Key (email)=(ada@example.com)',
      table: 'contacts',
    });
    log.warn({ err: error });
    expect(text()).not.toContain('ada');
    expect(last().err).toMatchObject({ code, table: 'contacts' });
  },
);

test('an error of ours is logged with code, advice and facts', () => {
  const { log, last } = collect();
  log.error({ err: serviceError('PORT_IN_USE', 'Port 1 is in use.', { port: 1 }) });
  expect(last().err).toMatchObject({
    code: 'PORT_IN_USE',
    disposition: 'stop',
    facts: { port: 1 },
    advice: expect.stringContaining('another port'),
  });
});
