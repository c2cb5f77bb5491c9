/** A record of ours was created, deleted or restored in HubSpot. */
import { existencePolicy, operationOf } from '../../shared/postgres/values.ts';
import { noteCreated, receiveExistence } from '../../shared/protocol/existence-inward.ts';
import { knownId } from '../../shared/protocol/ids.ts';
import type { RecordEvent } from '../context.ts';
import type { Draft } from '../decide.ts';
import type { Outcome } from '../inbox.ts';

export function decideExistence(
  draft: Draft,
  one: RecordEvent,
  kind: 'creation' | 'deletion' | 'restore',
): Outcome {
  const { time, ours } = one.event;
  const received = receiveExistence(
    draft.state,
    operationOf(draft.outbox),
    { kind, id: one.hubspotId, time, ours },
    existencePolicy(draft.table),
  );
  draft.state = received.record;
  switch (received.outcome) {
    case 'delete-row':
    case 'mark-row':
    case 'keep-row':
      endRow(draft, one, received.outcome);
      return 'applied';
    case 'doubt':
      draft.doubts.push({ id: one.id, reason: draft.state.doubt.at(-1) ?? 'existence' });
      return 'doubt';
    case 'ignore':
      return ours ? 'echo' : 'ignored';
    case 'stale':
      return 'stale';
    case 'remember':
      return 'remembered';
  }
}

/** Nothing of the record waits any more, in either direction. */
function endRow(draft: Draft, one: RecordEvent, outcome: 'delete-row' | 'mark-row' | 'keep-row') {
  draft.outbox = null;
  for (const [property, { from }] of Object.entries(draft.apply)) {
    for (const id of from) draft.outcomes.set(id, 'stale');
    delete draft.apply[property];
  }
  if (outcome === 'keep-row') return;
  draft.removal = one;
  if (outcome === 'delete-row') draft.rowExists = false;
}

/**
 * A change of a HubSpot record whose row was refused (a required value was missing, or Postgres
 * took none): what changed may have mended it, so the record is read again.
 */
export function decideRefusedRow(draft: Draft, { id, hubspotId }: RecordEvent): Outcome {
  const { state, outbox, rowExists } = draft;
  if (rowExists || state.existence.link !== null || state.call || outbox) return 'ignored';
  const createdByUs = knownId(state, hubspotId)?.createdByUs ?? false;
  const noted = noteCreated(state, hubspotId, { createdByUs });
  // It died, and what came late tells nothing.
  if (noted === state) return 'ignored';
  draft.state = noted;
  draft.doubts.push({ id, reason: 'created' });
  return 'doubt';
}
