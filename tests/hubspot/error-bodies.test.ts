import fc from 'fast-check';
import { type CallFacts, errorOfAnswer, errorOfFailure } from '../../shared/hubspot/classify.ts';
import { readErrors } from '../../shared/hubspot/error-bodies.ts';
import { hubspotErrorKinds } from '../../shared/hubspot/errors.ts';
import { describeError } from '../../shared/service/logger.ts';

const write: CallFacts = { call: 'POST /crm/v3/objects/deals/batch/update', write: true };
const read: CallFacts = { call: 'POST /crm/v3/objects/deals/batch/read', write: false };

function answered(status: number, body?: unknown, headers: Record<string, string> = {}) {
  return errorOfAnswer({ status, headers: new Headers(headers), body }, write);
}

function refusedValues(entries: readonly Record<string, unknown>[]): Record<string, unknown> {
  return {
    status: 'error',
    message: `Property values were not valid: ${JSON.stringify(entries)}`,
    correlationId: '7a1f0c52-0000-4000-8000-1d2e3f405060',
    category: 'VALIDATION_ERROR',
  };
}

describe('limits', () => {
  test.each([
    [
      'TEN_SECONDLY_ROLLING',
      'HUBSPOT_RATE_LIMITED',
      'You have reached your ten_secondly_rolling limit.',
    ],
    ['SECONDLY', 'HUBSPOT_RATE_LIMITED', 'You have reached your secondly limit.'],
    ['DAILY', 'HUBSPOT_DAILY_LIMIT', 'You have reached your daily limit.'],
  ])(
    'a 429 of %s is a pause, by its policy name or by its sentence',
    (policyName, code, message) => {
      const body = { status: 'error', message, errorType: 'RATE_LIMIT', correlationId: 'c-1' };
      for (const each of [{ ...body, policyName }, body]) {
        expect(answered(429, each)).toMatchObject({
          code,
          disposition: 'retry',
          outcome: 'not-done',
          policyName,
        });
      }
    },
  );

  test('a 429 without any body is a rolling limit', () => {
    expect(answered(429)).toMatchObject({ code: 'HUBSPOT_RATE_LIMITED', disposition: 'retry' });
  });

  test('Retry-After is read as seconds or milliseconds, and never exceeds the rolling window', () => {
    expect(answered(429, undefined, { 'retry-after': '3' }).retryAfterMs).toBe(3000);
    expect(answered(429, undefined, { 'retry-after': '4500' }).retryAfterMs).toBe(4500);
    expect(answered(429, undefined, { 'retry-after': '600' }).retryAfterMs).toBe(10_000);
    expect(answered(429, undefined, { 'retry-after': 'soon' }).retryAfterMs).toBeUndefined();
  });

  test('a migration’s Retry-After is in seconds, also when it is a day', () => {
    expect(answered(477, undefined, { 'retry-after': '86400' })).toMatchObject({
      code: 'HUBSPOT_MIGRATING',
      outcome: 'not-done',
      retryAfterMs: 86_400_000,
    });
  });

  test('a locked record is waited for at least two seconds', () => {
    expect(answered(423)).toMatchObject({
      code: 'HUBSPOT_LOCKED',
      disposition: 'retry',
      outcome: 'not-done',
      retryAfterMs: 2000,
    });
  });
});

describe('trouble on the way', () => {
  test.each([500, 502, 503, 504, 520, 524, 408])(
    'after %i a write’s outcome is unknown, and a read is repeated',
    (status) => {
      expect(answered(status, '<html>Bad gateway</html>')).toMatchObject({
        code: 'HUBSPOT_SERVER_ERROR',
        disposition: 'doubt',
        outcome: 'unknown',
      });
      const ofRead = errorOfAnswer({ status, headers: new Headers(), body: undefined }, read);
      expect(ofRead).toMatchObject({ disposition: 'retry', outcome: 'not-done' });
    },
  );

  test.each([521, 522, 523, 530])('after %i nothing was done', (status) => {
    expect(answered(status)).toMatchObject({
      code: 'HUBSPOT_UNAVAILABLE',
      disposition: 'retry',
      outcome: 'not-done',
    });
  });

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])(
    'a connection that never stood (%s) sent nothing',
    (code) => {
      const failed = new TypeError('fetch failed', { cause: Object.assign(new Error(), { code }) });
      expect(errorOfFailure(failed, write)).toMatchObject({
        code: 'HUBSPOT_NO_CONNECTION',
        disposition: 'retry',
        outcome: 'not-done',
      });
    },
  );

  test('a refusal at every address of a name sent nothing', () => {
    const refused = Object.assign(new Error(), { code: 'ECONNREFUSED', syscall: 'connect' });
    const failed = new TypeError('fetch failed', { cause: new AggregateError([refused]) });
    expect(errorOfFailure(failed, write).outcome).toBe('not-done');
  });

  test.each(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE', undefined])(
    'a connection that broke (%s) leaves the outcome open',
    (code) => {
      const failed = new TypeError('fetch failed', { cause: Object.assign(new Error(), { code }) });
      expect(errorOfFailure(failed, write)).toMatchObject({
        code: 'HUBSPOT_CONNECTION_LOST',
        disposition: 'doubt',
        outcome: 'unknown',
      });
    },
  );

  test('nothing that may pass by itself leads to a dead letter or a split', () => {
    const passing = [423, 429, 477, 500, 502, 503, 504, 521, 522, 523, 524].map((status) =>
      answered(status),
    );
    for (const error of passing) expect(['retry', 'doubt']).toContain(error.disposition);
  });
});

describe('refusals of a whole call', () => {
  test('values are split until the bad record stands alone', () => {
    const error = answered(
      400,
      refusedValues([
        {
          isValid: false,
          message: 'x was not one of the allowed options',
          error: 'INVALID_OPTION',
          name: 'dealtype',
          portalId: 1,
        },
        {
          isValid: false,
          message: 'abc was not a valid number.',
          error: 'INVALID_DOUBLE',
          name: 'amount',
          portalId: 1,
        },
      ]),
    );
    expect(error).toMatchObject({
      code: 'HUBSPOT_VALUES_REFUSED',
      disposition: 'split',
      outcome: 'not-done',
      category: 'VALIDATION_ERROR',
    });
    expect(error.properties).toEqual(['dealtype', 'amount']);
    expect(error.items.flatMap((item) => item.reasons)).toEqual([
      'INVALID_OPTION',
      'INVALID_DOUBLE',
    ]);
  });

  test.each(['PROPERTY_DOESNT_EXIST', 'READ_ONLY_VALUE'])(
    'a property (%s) leaves the mapping, whatever else is wrong with the values',
    (reason) => {
      const error = answered(
        400,
        refusedValues([
          { isValid: false, message: '', error: 'INVALID_EMAIL', name: 'email' },
          { isValid: false, message: '', error: reason, name: 'colour' },
        ]),
      );
      expect(error).toMatchObject({ code: 'HUBSPOT_PROPERTY_REFUSED', disposition: 'property' });
      expect(error.properties).toEqual(['colour']);
      expect(error.items.map((item) => item.code).sort()).toEqual([
        'HUBSPOT_PROPERTY_REFUSED',
        'HUBSPOT_VALUES_REFUSED',
      ]);
    },
  );

  test('a property is found in the errors’ context, in their text and in the message alone', () => {
    const shapes = [
      {
        errors: [
          { message: 'no', code: 'PROPERTY_DOESNT_EXIST', context: { propertyName: ['colour'] } },
        ],
      },
      { errors: [{ message: 'Property "colour" does not exist', in: 'colour' }] },
      { message: 'Property "colour" does not exist' },
      { message: '"colour" is a read only property; its value cannot be set.' },
      {
        errors: [
          {
            code: 'PROPERTY_DOESNT_EXIST',
            message: '[{"error":"PROPERTY_DOESNT_EXIST","name":"colour"}]',
          },
        ],
      },
    ];
    for (const shape of shapes) {
      const error = answered(400, { message: 'bad', category: 'VALIDATION_ERROR', ...shape });
      expect(error.code).toBe('HUBSPOT_PROPERTY_REFUSED');
      expect(error.properties).toEqual(['colour']);
    }
  });

  test('a list that was cut off still gives its whole entries', () => {
    const { message, ...rest } = refusedValues([
      { isValid: false, message: 'say "[{no}]"', error: 'INVALID_DATE', name: 'closedate' },
      { isValid: false, message: '', error: 'PROPERTY_DOESNT_EXIST', name: 'colour' },
      { isValid: false, message: '', error: 'INVALID_OPTION', name: 'dealtype' },
    ]);
    const error = answered(400, { ...rest, message: String(message).slice(0, -25) });
    expect(error.code).toBe('HUBSPOT_PROPERTY_REFUSED');
    expect(error.properties).toEqual(['colour']);
  });

  test('a refused property that nobody names is looked for like a bad record', () => {
    const body = { message: 'no', errors: [{ code: 'READ_ONLY_VALUE', message: 'no' }] };
    expect(answered(400, body)).toMatchObject({
      code: 'HUBSPOT_REQUEST_REFUSED',
      disposition: 'split',
    });
  });

  test('the key property is not dropped: creates wait for it', () => {
    const facts = { ...write, idProperty: 'trs_id' };
    const bodies = [
      refusedValues([{ isValid: false, error: 'PROPERTY_DOESNT_EXIST', name: 'trs_id' }]),
      { message: 'Unable to perform update/upsert by non-unique 0-3 property trs_id' },
    ];
    for (const body of bodies) {
      expect(errorOfAnswer({ status: 400, headers: new Headers(), body }, facts)).toMatchObject({
        code: 'HUBSPOT_KEY_NOT_UNIQUE',
        disposition: 'retry',
      });
    }
  });

  test('duplicate ids name the ids', () => {
    const error = answered(400, {
      status: 'error',
      message: 'Duplicate IDs found in batch input: [42]. IDs must be unique',
      correlationId: 'c-2',
      context: { ids: ['42'] },
      category: 'VALIDATION_ERROR',
    });
    expect(error).toMatchObject({ code: 'HUBSPOT_DUPLICATE_IDS', disposition: 'split' });
    expect(error.items[0]?.ids).toEqual(['42']);
  });

  test('a malformed body, which comes without a category, is split', () => {
    const body = { status: 'error', message: 'Invalid input JSON on line 3, column 9: Cannot …' };
    expect(answered(400, body)).toMatchObject({
      code: 'HUBSPOT_REQUEST_REFUSED',
      disposition: 'split',
    });
  });

  test.each([
    ['the message', { message: 'Contact already exists. Existing ID: 811', category: 'CONFLICT' }],
    [
      'the profile',
      {
        message: 'Contact already exists.',
        category: 'OBJECT_ALREADY_EXISTS',
        identityProfile: { vid: 811 },
        errors: [{ message: 'A contact with email a@b.example already exists.', in: 'email' }],
      },
    ],
    ['the context', { message: 'exists', category: 'CONFLICT', context: { existingId: ['811'] } }],
  ])('a conflict gives the record that holds the value: from %s', (_where, body) => {
    const error = answered(409, body);
    expect(error).toMatchObject({
      code: 'HUBSPOT_CONFLICT',
      disposition: 'split',
      outcome: 'not-done',
    });
    expect(error.items[0]?.existingIds).toEqual(['811']);
  });

  test('token and scopes stop; a refusal that HubSpot doesn’t explain waits', () => {
    expect(answered(401, { category: 'INVALID_AUTHENTICATION' })).toMatchObject({
      code: 'HUBSPOT_TOKEN_REFUSED',
      disposition: 'stop',
      outcome: 'not-done',
    });
    const scopes = {
      status: 'error',
      category: 'MISSING_SCOPES',
      errors: [
        {
          message: 'One or more …',
          context: { requiredGranularScopes: ['crm.objects.deals.write'] },
        },
      ],
    };
    expect(answered(403, scopes)).toMatchObject({
      code: 'HUBSPOT_SCOPE_MISSING',
      disposition: 'stop',
    });
    expect(answered(403, '<html>')).toMatchObject({
      code: 'HUBSPOT_FORBIDDEN',
      disposition: 'retry',
    });
  });

  test('a 404 of the path waits for the set-up; a 404 of records is split', () => {
    expect(answered(404, '<html>')).toMatchObject({
      code: 'HUBSPOT_PATH_UNKNOWN',
      disposition: 'retry',
    });
    const records = { category: 'OBJECT_NOT_FOUND', context: { ids: ['1', '2'] } };
    const error = answered(404, records);
    expect(error).toMatchObject({ code: 'HUBSPOT_NOT_FOUND', disposition: 'split' });
    expect(error.items[0]?.ids).toEqual(['1', '2']);
  });
});

describe('entries of a partly successful batch', () => {
  test('an entry has the trace id of its input', () => {
    const [item] = readErrors({
      status: 'error',
      category: 'VALIDATION_ERROR',
      message:
        'Property values were not valid: [{"isValid":false,"error":"INVALID_EMAIL","name":"email"}]',
      context: { objectWriteTraceId: ['t-7'] },
    });
    expect(item).toMatchObject({
      code: 'HUBSPOT_VALUES_REFUSED',
      traceIds: ['t-7'],
      properties: ['email'],
      reasons: ['INVALID_EMAIL'],
    });
  });

  test('missing records stand together in one entry', () => {
    const items = readErrors({
      status: 'error',
      category: 'OBJECT_NOT_FOUND',
      message: 'Could not get some DEAL objects, they may be deleted or not exist.',
      context: { ids: ['5', '6'] },
    });
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ code: 'HUBSPOT_NOT_FOUND', ids: ['5', '6'] });
  });

  test('a conflict in a batch gives the existing id', () => {
    const [item] = readErrors({
      category: 'CONFLICT',
      message: 'Contact already exists',
      context: { existingId: ['811'], objectWriteTraceId: ['t-1'] },
    });
    expect(item).toMatchObject({
      code: 'HUBSPOT_CONFLICT',
      existingIds: ['811'],
      traceIds: ['t-1'],
    });
  });

  test.each([undefined, null, '', 'nonsense', 42, [], {}, { errors: 'x', context: 7 }])(
    'anything at all gives one entry (%p)',
    (body) => {
      expect(readErrors(body)).toHaveLength(1);
    },
  );
});

describe('customers’ values', () => {
  const secret = 'ann.smith@example.com';
  const bodies = [
    refusedValues([
      { isValid: false, message: `${secret} is no email`, error: 'INVALID_EMAIL', name: 'email' },
    ]),
    { message: `Contact ${secret} already exists. Existing ID: 4`, category: 'CONFLICT' },
    {
      message: secret,
      category: secret,
      subCategory: secret,
      correlationId: secret,
      policyName: secret,
    },
    {
      message: 'x',
      errors: [{ message: secret, code: secret, in: secret, context: { propertyName: [secret] } }],
    },
    `<html>${secret}</html>`,
  ];
  test.each([400, 403, 404, 409, 429, 500])('never reach the log with a %i', (status) => {
    for (const body of bodies) {
      const error = answered(status, body);
      expect(JSON.stringify(describeError(error))).not.toContain(secret);
    }
  });

  test('HubSpot’s own words are kept for the dead letter', () => {
    const error = answered(400, bodies[0]);
    expect(error.hubspotMessage).toContain(secret);
    expect(error.message).toBe(
      'POST /crm/v3/objects/deals/batch/update was answered with 400 VALIDATION_ERROR (INVALID_EMAIL of email): HUBSPOT_VALUES_REFUSED',
    );
  });
});

test('every kind of error says what to do', () => {
  for (const kind of Object.values(hubspotErrorKinds)) {
    expect(kind.advice).toMatch(/^[A-Z].*\.$/);
    if (kind.outcome === 'unknown') expect(kind.disposition).toBe('doubt');
  }
});

test('any answer whatever is judged without throwing', () => {
  const body = fc.oneof(
    fc.anything(),
    fc.record(
      {
        message: fc.oneof(fc.string(), fc.constant('x: [{"error":"A","name":"b"'), fc.anything()),
        category: fc.oneof(fc.constantFrom('VALIDATION_ERROR', 'CONFLICT'), fc.anything()),
        context: fc.oneof(fc.dictionary(fc.string(), fc.array(fc.string())), fc.anything()),
        errors: fc.oneof(
          fc.array(fc.record({ message: fc.string(), code: fc.string() })),
          fc.anything(),
        ),
      },
      { requiredKeys: [] },
    ),
  );
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), body, (status, each) => {
      const error = answered(status, each);
      expect(Object.keys(hubspotErrorKinds)).toContain(error.code);
      if (status >= 500) expect(['retry', 'doubt']).toContain(error.disposition);
      if (error.disposition === 'property') expect(error.properties.length).toBeGreaterThan(0);
    }),
  );
});
