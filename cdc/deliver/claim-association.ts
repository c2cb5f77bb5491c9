/**
 * One association of a linked record, once its properties are out. It waits while the other record
 * is on its way to HubSpot; of one that isn't, nothing is sent: when it is linked one day, the
 * records that point to it are compared again.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { refId, type StoredRecord } from '../../shared/postgres/records.ts';
import { claimRecord } from '../../shared/protocol/claim.ts';
import type { Pending } from '../../shared/protocol/state.ts';
import type { DeliverContext } from '../records/context.ts';
import { type ClaimFindings, WAIT_MS } from '../records/not-sent.ts';
import { keepWaiting, waitFor, waitingOf } from '../records/outbox-row.ts';
import type { Claimed } from './claimed.ts';
import { type Surroundings, targetOf } from './surroundings.ts';

export function claimAssociation(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  { targets }: Surroundings,
  carried: Omit<Claimed, 'operation' | 'send' | 'wire' | 'association'>,
  findings: ClaimFindings,
): void {
  const now = Date.now();
  const { pendings, associations } = waitingOf(table, record);
  const left = { ...associations };
  for (const association of table.associations) {
    const { name, toObject } = association;
    const mark = left[name];
    if (!mark) continue;
    const ref = targetOf(record, association);
    const target = ref && targets.get(refId(ref));
    if (ref && !target?.hubspotId) {
      if (!target?.coming) delete left[name];
      continue;
    }
    const value = target?.hubspotId ?? '';
    const known = record.state.properties[name]?.known?.value ?? '';
    if (value === known) {
      delete left[name];
      continue;
    }
    const pending: Pending = { ...mark, value };
    const claim = claimRecord(
      record.state,
      { [name]: pending },
      {
        request: carried.request,
        term: context.term,
        operation: 'associate',
        hubspotId: carried.hubspotId,
        startedAt: now,
      },
    );
    record.state = claim.record;
    if (claim.record.call) {
      const to = value === '' ? null : value;
      const replaces = known === '' ? null : known;
      findings.claimed.push({
        ...carried,
        operation: 'associate',
        send: claim.send,
        wire: {},
        association: { name, toObject, to, replaces },
      });
      break;
    }
    if (claim.drop.length > 0) delete left[name];
  }
  keepWaiting(record, null, pendings, left, now);
  if (!record.state.call) waitFor(record, 'WAITS_FOR_ASSOCIATED', now + WAIT_MS);
}
