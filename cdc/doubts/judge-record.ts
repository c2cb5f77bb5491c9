/** Judges one record by what was read of it, and says what is to be written into its row. */
import type { RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { type HubspotId, idRef } from '../../shared/postgres/hubspot-ids.ts';
import type { Image, StoredRecord } from '../../shared/postgres/records.ts';
import { existencePolicy } from '../../shared/postgres/values.ts';
import type { InboundWrite, WrittenRow } from '../../shared/postgres/write-inbound.ts';
import { refuseInsertion } from '../../shared/protocol/existence-inward.ts';
import { judgeExistence } from '../../shared/protocol/existence-judge.ts';
import { judgeRecord } from '../../shared/protocol/judge.ts';
import { refusedInbound } from '../../shared/protocol/receive.ts';
import type { DeliverContext } from '../records/context.ts';
import { type Findings, noteConflicts } from '../records/findings.ts';
import { linkTakenLetter } from '../records/letters.ts';
import { buryWaiting } from '../records/not-sent.ts';
import { keepWaiting, type Waiting, waitingOf } from '../records/outbox-row.ts';
import { insertedAssociations, judgeAssociations, type Targets } from './judge-associations.ts';
import { appliedValues, historiesOf, insertedValues, valuesOfRow } from './judge-values.ts';
import { missingLetter } from './letters.ts';
import type { Reading } from './read.ts';

export interface JudgeFindings extends Findings {
  readonly writes: JudgedWrite[];
  /** Records that have a HubSpot id since now. */
  readonly linked: StoredRecord[];
  /** HubSpot records of other types that are associated with one that is linked since now. */
  readonly pointed: {
    /** Of the record that is linked. */
    readonly key: string;
    readonly object: string;
    readonly hubspotIds: readonly string[];
  }[];
}

export interface JudgedWrite {
  readonly write: InboundWrite;
  /** When the reading began, epoch ms. */
  readonly startedAt: number;
  /** What was written; absent where nothing was. */
  done?: WrittenRow;
}

export interface Place {
  readonly context: DeliverContext;
  readonly table: TableMapping;
  readonly reading: Reading;
  readonly row: Image | null;
  /** Of what was found, by `idRef`; locked. */
  readonly ids: ReadonlyMap<string, HubspotId>;
  readonly targets: Targets;
}

/** @returns false where it must be read again. */
export function judgeOne(place: Place, record: StoredRecord, findings: JudgeFindings): boolean {
  const { context, table, reading, row, ids } = place;
  const { object, key } = record;
  const waiting = waitingOf(table, record);
  const before = record.state.existence.link;
  const idOf = (id: string) => ids.get(idRef({ object, id }));
  const isOthers = ({ id }: RecordAnswer) => (idOf(id)?.linkedTo ?? key) !== key;
  const existence = judgeExistence(
    record.state,
    waiting.op,
    row !== null,
    {
      revision: reading.revision,
      time: reading.time,
      found: reading.found
        .filter((found) => !isOthers(found))
        .map((found) => ({
          id: found.id,
          archived: found.archived ?? false,
          archivedAt: found.archivedAt ?? null,
          createdByUs: isCreatedByUs(context, table, found),
          tombstone: idOf(found.id)?.key === null ? (idOf(found.id)?.dead ?? null) : null,
        })),
    },
    existencePolicy(table),
  );
  record.state = existence.record;
  if (existence.again) return false;
  const { link, action, op } = existence;
  for (const id of existence.surplus) {
    context.log.warn(
      { object, key, hubspotId: id, link },
      'another live HubSpot record stands for this row: it is left alone',
    );
  }
  const left: Pick<Waiting, 'pendings' | 'associations'> =
    action === 'none' || action === 'unmark-row'
      ? judgeContents(place, record, waiting, action === 'unmark-row', findings)
      : { pendings: {}, associations: {} };
  if (action === 'delete-row' || action === 'mark-row') {
    findings.writes.push(writeOf(place, 'delete', before ?? '', {}));
  }
  if (action === 'keep-row') logKept(record, reading, before, findings);
  if (action === 'insert-row') insertRow(place, record, link ?? '', findings);
  const isLinked = record.state.existence.link;
  if (isLinked !== null && isLinked !== before) {
    findings.linked.push(record);
    for (const pointer of reading.pointers.get(isLinked) ?? []) {
      findings.pointed.push({ key, ...pointer });
    }
  }
  keepWaiting(record, op, left.pendings, left.associations, Date.now());
  const others = reading.found.find((found) => isOthers(found) && !found.archived);
  if (others && isLinked === null && op?.operation === 'write') {
    const holder = idOf(others.id)?.linkedTo ?? '';
    buryWaiting(record, findings, linkTakenLetter(table, record, others.id, holder));
  }
  return true;
}

/** The properties and associations of a record that lives, or that has no HubSpot record. */
function judgeContents(
  place: Place,
  record: StoredRecord,
  waiting: Waiting,
  unmark: boolean,
  findings: JudgeFindings,
): Pick<Waiting, 'pendings' | 'associations'> {
  const { context, table, reading, row } = place;
  const { link } = record.state.existence;
  const found = reading.found.find(({ id }) => id === link);
  if (link === null || !found) return waiting;
  const judged = judgeRecord(
    record.state,
    waiting.pendings,
    { revision: record.state.revision, histories: historiesOf(context, table, found) },
    row ? valuesOfRow(table, record.state, row) : undefined,
  );
  record.state = judged.record;
  if (judged.again) return waiting;
  noteConflicts(findings, record, judged.conflicts, 'refused');
  if (judged.refused.length > 0) logKeptOut(record, reading, judged.refused, findings);
  if (row === null) {
    // What HubSpot associates is of no interest without a row.
    const doubt = record.state.doubt.filter((reason) => reason !== 'association');
    record.state = { ...record.state, doubt };
    return { pendings: judged.pendings, associations: waiting.associations };
  }
  const values = {
    ...appliedValues(table, record, judged.apply, row, findings),
    ...judgeAssociations(place, record, waiting.associations, row),
  };
  if (unmark || Object.keys(values).length > 0) {
    findings.writes.push(writeOf(place, 'update', link, values, unmark));
  }
  return { pendings: judged.pendings, associations: waiting.associations };
}

function insertRow(
  place: Place,
  record: StoredRecord,
  link: string,
  findings: JudgeFindings,
): void {
  const { context, table, reading, targets } = place;
  const found = reading.found.find(({ id }) => id === link);
  const histories = found ? historiesOf(context, table, found) : {};
  const { values, lacking } = insertedValues(table, record, histories, reading, findings);
  if (lacking.length > 0) {
    record.state = refuseInsertion(record.state);
    record.syncError = `HubSpot's record has no ${lacking.join(', ')}: there is no row of it`;
    findings.letters.push(missingLetter(table, record, link, lacking));
    return;
  }
  for (const { property } of table.properties) {
    // Its column stays empty, and that isn't sent over what HubSpot holds.
    if (!values[property]) record.state = refusedInbound(record.state, property, '');
  }
  const associated = insertedAssociations(
    table,
    reading.associations.get(link) ?? {},
    reading,
    targets,
  );
  findings.writes.push(writeOf(place, 'insert', link, { ...values, ...associated }));
}

function writeOf(
  { reading, row }: Place,
  kind: InboundWrite['kind'],
  hubspotId: string,
  values: InboundWrite['values'],
  unmark = false,
): JudgedWrite {
  const write = { key: reading.key, kind, hubspotId, values, row, ...(unmark ? { unmark } : {}) };
  return { write, startedAt: reading.startedAt };
}

/** Our upserts always set the key property: what HubSpot makes in our name doesn't have it. */
function isCreatedByUs({ appId }: DeliverContext, table: TableMapping, found: RecordAnswer) {
  const { hs_object_source: source, hs_object_source_id: id } = found.properties;
  return (
    source === 'INTEGRATION' &&
    appId !== undefined &&
    id === appId &&
    Boolean(found.properties[table.idProperty])
  );
}

function logKept(
  { object, key }: StoredRecord,
  { startedAt }: Reading,
  hubspotId: string | null,
  findings: Findings,
): void {
  findings.log.push({
    object,
    key,
    direction: 'inbound',
    status: 'success',
    message: 'deleted in HubSpot: the row is kept, without a link',
    metadata: { operation: 'keep', hubspot_id: hubspotId, source: 'read' },
    startedAt,
  });
}

/** HubSpot answered, and kept its own value: the row takes it over. */
function logKeptOut(
  { object, key, state }: StoredRecord,
  { startedAt }: Reading,
  properties: readonly string[],
  findings: Findings,
): void {
  findings.log.push({
    object,
    key,
    direction: 'outbound',
    status: 'conflict',
    message: `HubSpot keeps its own ${properties.join(', ')}`,
    metadata: { hubspot_id: state.existence.link, properties, source: 'read' },
    startedAt,
  });
}
