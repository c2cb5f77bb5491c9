/** Each rule of docs/protocol.md by name: the shortest order of events that breaks without it. */
import type { Options } from '../explore/part.ts';
import { follow } from './trace.ts';

const typedAndSent = [
  'local edit 1 begins',
  'local edit 1 commits',
  'consume change 1',
  'send 1 (change)',
];

/** With the rule the run ends well; the same order of events without it ends as `broken` says. */
function expectNeeded(
  rules: readonly string[],
  bounds: Partial<Options>,
  lines: readonly string[],
  broken: RegExp,
) {
  const kept = follow(bounds, lines);
  expect(kept.wrong).toBeNull();
  expect(kept.row).toBe(kept.hubspot);
  expect(() => {
    const { wrong } = follow({ ...bounds, without: rules }, lines);
    if (wrong !== null) throw new Error(wrong);
  }).toThrow(broken);
  return kept;
}

describe('rule lock', () => {
  test('an apply that has nothing to write waits for an open local change all the same', () => {
    expectNeeded(
      ['lock'],
      { local: 2, hub: 1, noop: true },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'local edit 2 begins',
        "HubSpot edit 3, to the row's own value 1",
        'consume change 1',
        '? webhook 3@11: apply',
        'local edit 2 commits',
        '? the apply of 3@11 commits',
        'consume change 2',
      ],
      /apart at rest/,
    );
  });
});

describe('rule cross', () => {
  test('a mark that meets a call under way sends the inbound value again', () => {
    const kept = expectNeeded(
      ['cross'],
      { local: 1, hub: 1 },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'HubSpot edit 2',
        'consume change 1',
        'send 1 (change)',
        'HubSpot writes 1',
        'webhook 2@11',
        'consume mark 2@11',
        'echo 1@12',
        'answer: 1',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('2');
  });
});

describe('rule epoch', () => {
  test('a write that restores an inbound value does not move the clock', () => {
    const kept = expectNeeded(
      ['epoch'],
      { local: 1, hub: 2, skew: 'none' },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'HubSpot edit 2',
        'consume change 1',
        'send 1 (change)',
        'HubSpot writes 1',
        'webhook 2@11',
        'consume mark 2@11',
        'answer: 1',
        'a reading begins',
        'HubSpot is read',
        'HubSpot edit 3',
        'judge what was read',
        'a comparison is written',
        'consume comparison with row 2',
        'send 2 (restore)',
        'HubSpot writes 2',
        'answer: 2',
        'echo 1@12',
        'echo 2@14',
        'webhook 3@13',
      ],
      /lost update/,
    );
    expect(kept.hubspot).toBe('3');
  });
});

describe('rule readretry', () => {
  test('after an unknown outcome nothing counts as known before HubSpot was read', () => {
    const kept = expectNeeded(
      ['readretry'],
      { local: 2, hub: 0, timeout: 1, toggle: true },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'local edit 2 begins, to 0',
        'local edit 2 commits',
        'consume change 1',
        'send 1 (change)',
        'consume change 2',
        'HubSpot writes 1',
        'echo 1@11',
        'time-out or crash',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('0');
  });
});

describe('rule first', () => {
  test('a value that was sent before is settled by reading: its time is its first appearance', () => {
    const kept = expectNeeded(
      ['first'],
      { local: 1, hub: 1, timeout: 1 },
      [
        ...typedAndSent,
        'time-out or crash',
        'a reading begins',
        'HubSpot is read',
        'judge what was read',
        'send 1 (repeat)',
        'HubSpot writes 1',
        'HubSpot edit 2',
        'answer: 1, made between 11.5 and 12.5',
        'echo 1@11',
        '? webhook 2@12',
        'a reading begins',
        'HubSpot is read',
        'HubSpot writes 1, late',
        'echo 1@13',
        '? judge what was read, apply 2@12',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('2');
  });
});

describe('rule answer', () => {
  test('a value that HubSpot silently keeps out is found by its answer', () => {
    const kept = expectNeeded(
      ['answer'],
      { local: 1, hub: 0, refuse: true },
      [...typedAndSent, 'HubSpot silently refuses 1', 'answer: 0'],
      /apart at rest/,
    );
    expect(kept).toMatchObject({ hubspot: '0', row: '0', writes: 1, reads: 1 });
  });

  test('an answer that shows what was typed after our write is a doubt', () => {
    const lines = [
      ...typedAndSent,
      'HubSpot writes 1',
      'HubSpot edit 2',
      'HubSpot answers',
      'answer: 2',
      'echo 1@11',
    ];
    const bounds: Partial<Options> = { local: 1, hub: 1, answer: 'late', skew: 'none' };
    // The bracket alone would do here, so both rules have to be left out to show it.
    const kept = expectNeeded(['answer', 'bound'], bounds, lines, /apart at rest/);
    expect(kept.hubspot).toBe('2');
    expect(follow({ ...bounds, without: ['bound'] }, lines).wrong).toBeNull();
    expect(follow({ ...bounds, without: ['answer'] }, lines).wrong).toBeNull();
  });
});

describe('rule bound', () => {
  test('an event inside the bracket of our push is a doubt where the answer repeats our input', () => {
    const kept = expectNeeded(
      ['bound'],
      { local: 1, hub: 1, answer: 'blind' },
      [
        ...typedAndSent,
        'HubSpot writes 1',
        'HubSpot edit 2',
        'HubSpot answers',
        'answer: 1, made between 11.5 and 13.5',
        'echo 1@11',
        'webhook 2@12',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('2');
  });
});

describe('rule echo', () => {
  test('a late write of an older value is found by its echo', () => {
    const kept = expectNeeded(
      ['echo'],
      { local: 1, hub: 1, timeout: 1 },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'HubSpot edit 2',
        'consume change 1',
        'send 1 (change)',
        'time-out or crash',
        'a reading begins',
        'HubSpot is read',
        'judge what was read, apply 2@11',
        'a comparison is written',
        'consume mark 2@11',
        'consume comparison with row 2',
        'HubSpot writes 1, late',
        'webhook 2@11',
        'echo 1@12',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('2');
  });
});

describe('rule defer', () => {
  test('a comparison that meets a call of the record is made when the call has ended', () => {
    const kept = expectNeeded(
      ['defer'],
      { local: 1, hub: 1, other: 1, drop: 1 },
      [
        'local edit 1 begins',
        'local edit 1 commits',
        'HubSpot edit 2',
        'consume change 1',
        'send 1 (change)',
        'another property is edited',
        'HubSpot writes 1',
        'webhook 2@11: apply',
        'answer: 1, made between 9.5 and 10.5',
        'consume mark 2@11',
        'a reading begins',
        'HubSpot is read',
        'judge what was read',
        'a comparison is written',
        'send the other property',
        'consume comparison with row 2',
        'HubSpot writes the other property',
        'answer: the other property',
        'echo 1@12',
      ],
      /apart at rest/,
    );
    expect(kept.hubspot).toBe('2');
  });
});

describe('rule fresh', () => {
  const lines = [
    'local edit 1 begins',
    'local edit 1 commits',
    'HubSpot edit 2',
    'consume change 1',
    'send 1 (change)',
    'webhook 2@11: apply',
    'consume mark 2@11',
    '? a reading begins',
    '? HubSpot is read',
    'HubSpot writes 1',
    'answer: 1, made between 9.5 and 10.5',
    '? judge what was read',
  ];

  test('a reading that is older than what is known by now is made again', () => {
    const kept = expectNeeded(['fresh'], { local: 1, hub: 1 }, lines, /apart at rest/);
    expect(kept.hubspot).toBe('2');
  });

  test('a reading begins only when no call of the record is under way', () => {
    const { names } = follow({ local: 1, hub: 1 }, lines);
    expect(names.indexOf('a reading begins')).toBeGreaterThan(
      names.findIndex((name) => name.startsWith('answer: 1')),
    );
  });
});

describe('rules that only save calls', () => {
  test('rule hold: nothing is sent while the mark of an applied value is on its way', () => {
    const lines = [
      'local edit 1 begins',
      'local edit 1 commits',
      'HubSpot edit 2',
      'consume change 1',
      'webhook 2@11: apply',
      '? send 1 (change)',
    ];
    const kept = follow({ local: 1, hub: 1 }, lines);
    const left = follow({ local: 1, hub: 1, without: ['hold'] }, lines);
    expect(kept).toMatchObject({ wrong: null, hubspot: '2', writes: 0 });
    expect(left).toMatchObject({ wrong: null, hubspot: '2' });
    expect(left.writes).toBeGreaterThan(0);
  });

  test('rule hist: a value to be restored is read first, so that a newer foreign one goes first', () => {
    const lines = [
      'local edit 1 begins',
      'local edit 1 commits',
      'HubSpot edit 2',
      'HubSpot edit 3',
      'consume change 1',
      'send 1 (change)',
      'HubSpot writes 1',
      'webhook 2@11: apply',
      'consume mark 2@11',
      'answer: 1, made between 12 and 13',
      '? send 2 (restore)',
    ];
    const bounds: Partial<Options> = { local: 1, hub: 2, skew: 'none' };
    const kept = follow(bounds, lines);
    const left = follow({ ...bounds, without: ['hist'] }, lines);
    expect(kept).toMatchObject({ wrong: null, hubspot: '3', writes: 2 });
    expect(left).toMatchObject({ wrong: null, hubspot: '3', writes: 3 });
  });
});
