import fc from 'fast-check';
import type { Step } from '../../../cdc/ingest/change.ts';
import { createSteps } from '../../../cdc/ingest/coalesce.ts';
import { foldStep } from '../../../cdc/ingest/fold.ts';
import { parseMapping } from '../../../shared/mapping/load.ts';
import type { TableMapping } from '../../../shared/mapping/mapping.ts';
import { newStoredRecord, type StoredRecord } from '../../../shared/postgres/records.ts';
import { yaml } from './room.ts';

const mapping = parseMapping(yaml, 'sync.yaml');
const table = mapping.objectOf('deals') as TableMapping;
const settings = { debounceMs: 250, maxWaitMs: 2000, linkOf: () => undefined };
const known = { id: 'k', name: 'One', amount: '1.00', next_step: null, due: null };
const columns = { probability: null, client_id: null };

function place(key: string, ordinal: number) {
  return { table, key, lsn: '0/10', ordinal, at: 1_000 + ordinal };
}

function fold(steps: readonly Step[]): Map<string, StoredRecord> {
  const records = new Map<string, StoredRecord>();
  for (const step of steps) {
    let record = records.get(step.key);
    if (!record) {
      record = newStoredRecord({ object: table.object, key: step.key });
      if (step.key === 'k') record.image = { ...known, ...columns };
      records.set(step.key, record);
    }
    foldStep(settings, record, step);
  }
  return records;
}

type Deed = { key: 'k' | 'n'; kind: 'write' | 'delete' | 'mark'; column: number; text: string };

/** Deeds as the WAL would tell them: an update only of a row that exists, an insert of one that doesn't. */
function toSteps(deeds: readonly Deed[]): Step[] {
  const rows = new Map<string, Record<string, string | null>>([['k', { ...known, ...columns }]]);
  return deeds.flatMap((deed, i): Step[] => {
    const row = rows.get(deed.key);
    const at = place(deed.key, i + 1);
    const name = ['name', 'amount', 'next_step'][deed.column] as string;
    if (deed.kind === 'delete') {
      if (!row) return [];
      rows.delete(deed.key);
      return [{ ...at, kind: 'delete', marked: false }];
    }
    if (deed.kind === 'mark') {
      if (!row) return [];
      const property = ['dealname', 'amount', 'hs_next_step'][deed.column] as string;
      row[name] = deed.text;
      const values = { [property]: { value: deed.text, text: deed.text, time: i + 1 } };
      const mark = { object: 'deals', key: deed.key, kind: 'update' as const, values };
      return [
        { ...at, kind: 'mark', mark },
        { ...at, kind: 'update', columns: { ...row }, marked: true },
      ];
    }
    if (!row) {
      const fresh = { ...known, ...columns, id: deed.key, [name]: deed.text };
      rows.set(deed.key, fresh);
      return [{ ...at, kind: 'insert', columns: { ...fresh }, marked: false }];
    }
    row[name] = deed.text;
    const { next_step, ...sent } = row;
    // An unchanged long value isn't sent.
    return [
      {
        ...at,
        kind: 'update',
        columns: name === 'next_step' ? { ...row } : sent,
        marked: false,
      },
    ];
  });
}

const deeds = fc.array(
  fc.record<Deed>({
    key: fc.constantFrom('k', 'n'),
    kind: fc.constantFrom('write', 'write', 'write', 'delete', 'mark'),
    column: fc.integer({ min: 0, max: 2 }),
    text: fc.constantFrom('1.00', '2.00', '3.00'),
  }),
  { maxLength: 25 },
);

test('coalesced steps end in the same image and operation as the single ones, and send nothing more', () => {
  fc.assert(
    fc.property(deeds, (list) => {
      const single = toSteps(list);
      const steps = createSteps();
      for (const step of single) steps.add(step);
      const one = fold(single);
      const all = fold(steps.list);
      for (const [key, expected] of one) {
        const record = all.get(key);
        expect(record?.image).toEqual(expected.image);
        expect(record?.state.properties).toEqual(expected.state.properties);
        const few = Object.keys(record?.outbox?.pending ?? {});
        expect(Object.keys(expected.outbox?.pending ?? {})).toEqual(expect.arrayContaining(few));
        if (few.length > 0) expect(record?.outbox?.operation).toBe(expected.outbox?.operation);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a value that came back to what was consumed last is no change', () => {
  const steps = createSteps();
  const row = { ...known, ...columns };
  steps.add({
    ...place('k', 1),
    kind: 'update',
    columns: { ...row, amount: '9.00' },
    marked: false,
  });
  steps.add({ ...place('k', 2), kind: 'update', columns: row, marked: false });
  expect(steps.list).toHaveLength(1);
  expect(fold(steps.list).get('k')?.outbox).toBeNull();
});

test('delete beats update, and an insert after a delete replaces it', () => {
  const steps = createSteps();
  const row = { ...known, ...columns };
  steps.add({
    ...place('k', 1),
    kind: 'update',
    columns: { ...row, amount: '9.00' },
    marked: false,
  });
  steps.add({ ...place('k', 2), kind: 'delete', marked: false });
  expect(steps.list).toMatchObject([{ kind: 'delete', ordinal: 2 }]);
  steps.add({ ...place('k', 3), kind: 'insert', columns: row, marked: false });
  expect(steps.list).toMatchObject([{ kind: 'insert', ordinal: 3 }]);
});

test('nothing is merged across a mark, a comparison or a change of the key', () => {
  const row = { ...known, ...columns };
  const between: Step[] = [
    {
      ...place('k', 2),
      kind: 'mark',
      mark: { object: 'deals', key: 'k', kind: 'update', values: {} },
    },
    { ...place('k', 2), kind: 'compare', row },
    { ...place('k', 2), kind: 'rekey', from: 'j', columns: row, marked: false },
    { ...place('m', 2), kind: 'rekey', from: 'k', columns: row, marked: false },
  ];
  for (const step of between) {
    const steps = createSteps();
    steps.add({ ...place('k', 1), kind: 'update', columns: row, marked: false });
    steps.add(step);
    steps.add({ ...place('k', 3), kind: 'update', columns: row, marked: false });
    expect(steps.list.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
  }
});
