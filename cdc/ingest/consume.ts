/**
 * The loop from the stream to the outbox: gathers what arrives, stores it with the position in one
 * transaction, and only then lets the position be confirmed. The order of the last two is what keeps
 * a crash from losing a change.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { formatLsn, type Lsn } from '../../shared/postgres/lsn.ts';
import type { Events } from '../../shared/service/events.ts';
import type { WalMessage } from './change.ts';
import {
  type Advance,
  type FlushContext,
  type FoldedStep,
  flushSteps,
  flushTruncate,
  storePosition,
} from './flush.ts';
import type { Gatherer, Position, Signal } from './gather.ts';
import { columnDropped } from './preflight.ts';
import type { SlotStream } from './slot.ts';

/** What is gathered at most before it is stored, also in mid-transaction. */
const MOST = { steps: 5_000, bytes: 16 * 1024 * 1024 };
/** How long something stays gathered while more keeps coming, ms. */
const LONGEST_MS = 500;
/** A transaction committed longer ago than this means that we are behind, ms. */
const BEHIND_MS = 10_000;
/**
 * When a position that has nothing to store is confirmed: storing it writes WAL itself, so a quiet
 * database is not answered byte by byte.
 */
const PASSED = { farBytes: 1_048_576n, nearBytes: 65_536n, nearMs: 1_000, anyMs: 20_000 };

export interface ConsumeOptions {
  readonly stream: SlotStream;
  readonly gatherer: Gatherer;
  readonly context: FlushContext;
  readonly events: Events;
  /** What the checkpoint says. */
  readonly stored: Position;
  /** Which of the columns the table has now. */
  readonly existingColumns: (table: TableMapping) => Promise<ReadonlySet<string>>;
  /** Everything that arrived so far is stored. */
  readonly onCaughtUp: () => void;
}

/** Runs until the stream is closed; throws what ended it. */
export async function consumeStream(options: ConsumeOptions): Promise<void> {
  const { stream, gatherer, context, events, existingColumns, onCaughtUp } = options;
  const { acker } = stream;
  let { stored } = options;
  /** End of the last whole transaction: what may be confirmed once everything gathered is stored. */
  let end: Lsn = acker.confirmed;
  let gatheredAt = 0;
  let storedAt = Date.now();

  const isUnstored = () => gatherer.isOpen || gatherer.steps.list.length > 0;

  async function flush(to: Position): Promise<void> {
    const advance: Advance = { from: stored, to, confirm: end };
    tell(events, await flushSteps(context, gatherer.steps.list, advance));
    gatherer.clear();
    settle(to);
  }

  /** After the commit, and only then. */
  function settle(to: Position): void {
    stored = to;
    storedAt = Date.now();
    gatheredAt = storedAt;
    acker.setUnstored(isUnstored());
    acker.stored(end);
    events.emit('slot:progress', {
      slot: context.slot,
      confirmedLsn: formatLsn(acker.confirmed),
    });
  }

  /** Nothing stands before this position that isn't stored. */
  async function pass(lsn: Lsn, atOnce = false): Promise<void> {
    const distance = lsn - acker.confirmed;
    const since = Date.now() - storedAt;
    const due =
      atOnce ||
      distance >= PASSED.farBytes ||
      (distance >= PASSED.nearBytes && since >= PASSED.nearMs) ||
      (distance > 0n && since >= PASSED.anyMs);
    if (!due) return;
    end = lsn;
    const to = gatherer.position;
    await storePosition(context, { from: stored, to, confirm: end });
    settle(to);
  }

  async function obey(signal: Signal, isLast: boolean): Promise<void> {
    switch (signal.kind) {
      case 'commit': {
        const { list, bytes } = gatherer.steps;
        if (list.length === 0) {
          // Nothing of it is ours, or all of it is stored.
          await pass(signal.endLsn, stored.partial !== null && !signal.again);
          if (isLast) onCaughtUp();
          return;
        }
        end = signal.endLsn;
        const enough = list.length >= MOST.steps || bytes >= MOST.bytes;
        if (isLast || enough || Date.now() - gatheredAt > LONGEST_MS) {
          await flush(gatherer.position);
          if (isLast || Date.now() - gatherer.at < BEHIND_MS) onCaughtUp();
        }
        return;
      }
      case 'truncate': {
        const { place } = gatherer;
        const { commitLsn, partial } = gatherer.position;
        const stands =
          partial && place.ordinal > 1 ? { ...partial, ordinal: place.ordinal - 1 } : null;
        await flush({ commitLsn, partial: stands });
        for (const table of signal.tables) {
          await flushTruncate(context, table, place, stored, (folded) => tell(events, folded));
        }
        const to = gatherer.position;
        await storePosition(context, { from: stored, to, confirm: end });
        settle(to);
        return;
      }
      case 'shape': {
        const existing = await existingColumns(signal.table);
        const gone = signal.missing.find((name) => !existing.has(name));
        // Older WAL may describe the table as it was before a column was added: that is no loss.
        if (gone === undefined) return;
        throw columnDropped(signal.table, gone);
      }
    }
  }

  async function take(message: WalMessage, isLast: boolean): Promise<void> {
    if (message.kind === 'passed') {
      if (isUnstored()) return;
      await pass(message.lsn);
      if (isLast) onCaughtUp();
      return;
    }
    const signal = gatherer.take(message);
    acker.setUnstored(isUnstored());
    if (signal) await obey(signal, isLast);
    const { list, bytes } = gatherer.steps;
    if (list.length === 0) {
      gatheredAt = Date.now();
    } else if (
      list.length >= MOST.steps ||
      bytes >= MOST.bytes ||
      Date.now() - gatheredAt > LONGEST_MS
    ) {
      // A transaction is stored in parts while it arrives, and confirmed only once it is whole.
      await flush(gatherer.position);
    }
  }

  for (;;) {
    const batch = await stream.next();
    if (!batch) return;
    for (const [i, message] of batch.entries()) {
      await take(message, i === batch.length - 1);
      if (message.kind !== 'passed') acker.handled();
    }
  }
}

function tell(events: Events, folded: readonly FoldedStep[]): void {
  for (const { step, outcome, properties, conflicts } of folded) {
    const names = { object: step.table.object, key: step.key };
    if (outcome === 'change') {
      const operation =
        step.kind === 'insert' || step.kind === 'delete' ? step.kind : ('update' as const);
      events.emit('outbound:change', { ...names, operation, properties, lsn: step.lsn });
    } else if (outcome === 'echo') {
      events.emit('echo', { ...names, direction: 'outbound', properties });
    }
    for (const { property } of conflicts) {
      events.emit('conflict', { ...names, property, winner: 'hubspot' });
    }
  }
}
