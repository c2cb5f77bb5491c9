/** An association of a record of ours was made or removed in HubSpot: mostly a reason to read. */
import { receiveAssociation } from '../../shared/protocol/association.ts';
import type { RecordEvent } from '../context.ts';
import type { Draft } from '../decide.ts';
import type { Outcome } from '../inbox.ts';
import type { WebhookEvent } from '../parse.ts';

export function decideAssociation(
  draft: Draft,
  one: RecordEvent,
  event: Extract<WebhookEvent, { kind: 'association' }>,
): Outcome {
  const { name } = event.association;
  const waiting = draft.outbox?.pending[name];
  const received = receiveAssociation(
    draft.state,
    name,
    { toId: event.toId, removed: event.removed },
    // Its value, the other record's id, isn't looked at: that something waits is what matters.
    waiting && { value: '', cause: waiting.cause, seq: waiting.seq },
  );
  draft.state = received.record;
  switch (received.outcome) {
    case 'local':
      return 'skipped';
    case 'same':
      return event.ours ? 'echo' : 'same';
    case 'doubt':
      draft.doubts.push({ id: one.id, property: name, reason: 'association' });
      return 'doubt';
  }
}
