/**
 * What may happen next in the world around a record's existence: people act on either side, the WAL
 * is consumed, calls are made, carried out, answered or lost, readings are judged, webhooks come.
 * Every decision is made by shared/protocol/.
 */
import { claimRecord } from '../../shared/protocol/claim.ts';
import {
  answeredNotFound,
  claimArchive,
  consumeExistenceChange,
  consumeExistenceCompare,
  consumeExistenceMark,
  decideOperation,
  type ExistencePolicy,
  settleArchived,
  settleWritten,
} from '../../shared/protocol/existence.ts';
import {
  noteCreated,
  receiveExistence,
  receiveUnlinked,
} from '../../shared/protocol/existence-inward.ts';
import { judgeExistence, planRead } from '../../shared/protocol/existence-judge.ts';
import { knownId, withExistence } from '../../shared/protocol/ids.ts';
import { beginRead, judgeRecord } from '../../shared/protocol/judge.ts';
import { comparisonEmitted, doubt, withCall } from '../../shared/protocol/record.ts';
import { allRules } from '../../shared/protocol/rules.ts';
import { endCall, giveUp, settleRecord } from '../../shared/protocol/settle.ts';
import type { RecordState } from '../../shared/protocol/state.ts';
import {
  bit,
  type Clocks,
  deedOf,
  type ExistenceRule,
  hubCreate,
  hubDelete,
  liveOf,
  newDeed,
  pastOf,
  type Request,
  rowFollows,
  shown,
  type Told,
  tokenOf,
  told,
  type World,
  without,
} from './existence-world.ts';
import type { Step } from './explorer.ts';
import type { Options } from './part.ts';

export function createSteps(options: Options, policy: ExistencePolicy, clocks: Clocks) {
  const off = new Set(options.without);
  const on = (rule: ExistenceRule) => !off.has(rule);
  const { slack } = clocks;
  const terms = {
    tolerance: slack,
    rules: { ...allRules, readretry: on('readretry'), defer: on('defer') },
  };
  /** Somebody in HubSpot acts at once, or long after whatever was before. */
  const pauses = slack === 0 ? [1] : [1, 1 + 4 * Math.ceil(slack)];

  return (world: World): Step<World>[] => {
    const steps: Step<World>[] = [];
    const move = (name: string, next: World, tally?: string) =>
      steps.push({ name, moves: true, next, ...(tally ? { tally } : {}) });
    const chance = (name: string, next: World) => steps.push({ name, moves: false, next });
    addPeople(world, chance, move);
    if (world.applying) {
      const wal = [...world.wal, { kind: 'mark' } as const];
      move('the apply commits', { ...world, applying: false, wal });
      return steps;
    }
    addConsume(world, move);
    addClaim(world, move);
    addNetwork(world, move, chance);
    addReading(world, move);
    addWebhooks(world, move, chance);
    if (world.reconcile && !steps.some(({ moves }) => moves)) {
      move('reconcile', reconcile(world));
    }
    return steps;
  };

  type Add = (name: string, next: World, tally?: string) => void;

  function addPeople(world: World, chance: Add, move: Add) {
    const { left } = world;
    if (left.local > 0 && !world.row && !world.open) {
      const next = { ...world, left: { ...left, local: left.local - 1 } };
      if (options.open) chance('local insert opens', { ...next, open: true });
      else chance('local insert', localDeed(next, true));
    }
    if (world.open) move('local insert commits', localDeed({ ...world, open: false }, true));
    if (left.local > 0 && world.row) {
      const next = { ...world, left: { ...left, local: left.local - 1 } };
      chance('local delete', localDeed(next, false));
      // An edit of other columns is no deed: it must not bring back what somebody deleted.
      const edit = { kind: 'update', deed: world.rowDeed } as const;
      chance('local edit', { ...next, wal: [...world.wal, edit] });
    }
    if (left.hub === 0) return;
    const rest = { ...world, left: { ...left, hub: left.hub - 1 } };
    const live = liveOf(world);
    for (const pause of pauses) {
      const time = world.now + pause;
      const when = pause === 1 ? '' : ', later';
      if (live) {
        const { world: next, deed } = newDeed(rest, false, world.hubPast);
        chance(
          `HubSpot user deletes ${live.id}${when}`,
          hubDelete(next, live.id, false, deed, time),
        );
        continue;
      }
      const { world: next, deed } = newDeed(rest, true, world.hubPast);
      if (options.born === 'hubspot') {
        chance(`HubSpot user creates with our key${when}`, hubCreate(next, false, deed, time));
      }
      for (const { id } of world.hub) {
        const hub = world.hub.map((it) => (it.id === id ? { ...it, alive: true } : it));
        const restored = shown({ ...next, hub }, deed, time);
        chance(
          `HubSpot user restores ${id}${when}`,
          told(restored, { kind: 'restore', id, ours: false, deed, time }),
        );
      }
    }
  }

  function localDeed(world: World, row: boolean): World {
    const { world: next, deed } = newDeed(world, row, world.rowPast);
    return {
      ...next,
      row,
      rowDeed: deed,
      rowPast: world.rowPast | bit(deed),
      wal: [...world.wal, { kind: row ? 'insert' : 'delete', deed }],
    };
  }

  function addConsume(world: World, move: Add) {
    if (world.record.compareWanted && !world.open) {
      move('a comparison is written to the WAL', {
        ...world,
        record: comparisonEmitted(world.record),
        wal: [...world.wal, { kind: 'compare', row: world.row, deed: world.rowDeed }],
      });
    }
    const [item, ...wal] = world.wal;
    if (!item) return;
    const next = { ...world, wal };
    if (item.kind === 'mark') {
      const decided = consumeExistenceMark(world.record);
      move('consume mark', { ...next, ...decided, record: deferred(decided.record) });
      return;
    }
    const { world: numbered, seq } = tokenOf(next, item.deed);
    if (item.kind === 'compare') {
      const compare = { rowExists: item.row, seq };
      const decided = consumeExistenceCompare(world.record, world.op, compare, policy);
      const record = deferred(decided.record);
      move(`consume comparison (row ${item.row})`, { ...numbered, record, op: decided.op });
      return;
    }
    const decided = consumeExistenceChange(world.record, { kind: item.kind, seq }, policy);
    move(`consume ${item.kind}`, { ...numbered, ...decided });
  }

  /** Without the rule a comparison that meets a call is forgotten. */
  function deferred(record: RecordState): RecordState {
    const { call } = record;
    return call && !on('defer') ? withCall(record, { ...call, compareAfter: false }) : record;
  }

  function addClaim(world: World, move: Add) {
    const { op, record } = world;
    if (!op) return;
    const held = on('hold') ? record : withExistence(record, { marks: 0 });
    const operation = decideOperation(held, op, policy);
    if (operation === 'wait') return;
    if (operation === 'nothing') {
      move('claim: nothing to send', { ...world, op: null });
      return;
    }
    const byId = operation === 'archive' || (operation === 'update' && on('byid'));
    const request: Request = {
      operation: byId ? operation : 'upsert',
      id: byId ? record.existence.link : null,
      deed: deedOf(op.seq),
      live: true,
      begun: world.now,
    };
    const call = {
      request: String(world.serial),
      term: 1,
      operation: request.operation,
      hubspotId: request.id,
      seq: op.seq,
      startedAt: 0,
    };
    const claimed =
      operation === 'archive'
        ? claimArchive(record, op, call)
        : claimRecord(record, {}, call, { always: true }, terms).record;
    move(
      `claim ${request.operation} ${request.id ?? ''}`,
      {
        ...world,
        serial: world.serial + 1,
        record: claimed,
        network: [...world.network, request],
        echoed: world.deeds.length === 1 || world.left.local === options.local,
      },
      'writes',
    );
  }

  function addNetwork(world: World, move: Add, chance: Add) {
    world.network.forEach((request, index) => {
      const name = `${request.live ? '' : 'late '}${request.operation} ${request.id ?? ''}`;
      const next = { ...world, network: without(world.network, index) };
      move(`HubSpot carries out ${name}`, carryOut(next, request));
      if (request.live && world.left.drop > 0) {
        const left = { ...world.left, drop: world.left.drop - 1 };
        chance(`${name} is lost`, { ...next, left, lost: true });
      }
      if (request.live && world.left.timeout > 0) {
        const left = { ...world.left, timeout: world.left.timeout - 1 };
        const network = world.network.with(index, { ...request, live: false });
        chance(`${name} is given up`, giveUpCall({ ...world, network, left }));
      }
    });
    const { answer, left } = world;
    if (answer) {
      move(`answer: ${answer.found ? answer.id : 'not found'}`, takeAnswer(world, answer));
      if (left.drop > 0) {
        chance(
          'the answer is lost',
          giveUpCall({ ...world, left: { ...left, drop: left.drop - 1 } }),
        );
      }
    }
    if (world.lost) move('no answer', giveUpCall(world));
  }

  function carryOut(world: World, request: Request): World {
    const { id, deed } = request;
    const time = world.now + 1;
    let next = world;
    let found = true;
    let isNew = false;
    let answered = id ?? '';
    const target = id === null ? liveOf(world) : world.hub.find((it) => it.id === id);
    if (request.operation === 'archive') {
      if (target?.alive) next = hubDelete(world, answered, true, deed, time);
    } else if (id !== null) {
      found = target?.alive ?? false;
      if (found) next = { ...world, hubPast: world.hubPast | pastOf(world, deed) };
    } else if (target && on('key')) {
      answered = target.id;
      next = { ...world, hubPast: world.hubPast | pastOf(world, deed) };
    } else {
      next = hubCreate(world, true, deed, time);
      answered = String(next.hub.length);
      isNew = true;
    }
    if (!request.live) return next;
    const low = request.begun + clocks.off - slack;
    const high = next.now + clocks.off + slack;
    return { ...next, answer: { id: answered, found, isNew, time: { low, high } } };
  }

  function giveUpCall(world: World): World {
    const { request = '' } = world.record.call ?? {};
    const { record } = giveUp(world.record, {}, request, terms);
    return { ...world, record, answer: null, lost: false };
  }

  function takeAnswer(world: World, answer: NonNullable<World['answer']>): World {
    const { record, op } = world;
    const { call } = record;
    const rest = { ...world, answer: null };
    if (!call) return rest;
    const { request } = call;
    const { id, isNew, time } = answer;
    if (call.operation === 'archive') {
      return { ...rest, ...settleArchived(record, op, { request, time }) };
    }
    if (!answer.found) {
      return { ...rest, record: endCall(answeredNotFound(record, request), request).record };
    }
    const { [id]: remembered, ...unlinked } = world.unlinked;
    const tombstone = remembered?.dead ?? null;
    const written = settleWritten(record, op, { request, id, isNew, time, tombstone });
    const settled = settleRecord(
      written.record,
      {},
      { request, startedAt: time.low, completedAt: time.high, values: {} },
      terms,
    );
    return { ...rest, unlinked, record: settled.record, op: written.op };
  }

  function addReading(world: World, move: Add) {
    const { record, reading } = world;
    if (reading) {
      if (!world.open) move('judge what was read', judge(world, reading));
      return;
    }
    if (record.doubt.length > 0) {
      const revision = beginRead(record, terms);
      if (revision !== undefined) move('read', read(world, revision), 'reads');
    }
    for (const [id, { dead, wanted }] of Object.entries(world.unlinked)) {
      if (!wanted) continue;
      const { [id]: _fetched, ...unlinked } = world.unlinked;
      const createdByUs = world.hub.find((it) => it.id === id)?.createdByUs ?? false;
      const noted = noteCreated(record, id, { createdByUs, tombstone: dead });
      move(`fetch ${id}: it has our key`, { ...world, unlinked, record: noted }, 'reads');
    }
  }

  function read(world: World, revision: number): World {
    const { ids, byKey } = planRead(world.record);
    const found = world.hub.filter(({ id, alive }) => ids.includes(id) || (byKey && alive));
    const at = world.now + clocks.off;
    return {
      ...world,
      reading: {
        revision,
        time: { low: at - slack, high: at + slack },
        found: found.map(({ id, alive, createdByUs, died }) => ({
          id,
          archived: !alive,
          archivedAt: alive ? null : died,
          createdByUs,
        })),
        deed: world.hubDeed,
      },
    };
  }

  function judge(world: World, reading: NonNullable<World['reading']>): World {
    const record = on('ledger') ? world.record : withoutLedger(world.record);
    const found = reading.found.map((it) => ({
      ...it,
      tombstone: (on('tomb') && world.unlinked[it.id]?.dead) || null,
    }));
    const judged = judgeExistence(record, world.op, world.row, { ...reading, found }, policy);
    const rest = { ...world, reading: null };
    if (judged.again) {
      const unlinked = Object.entries(world.unlinked).filter(([id]) => !knownId(judged.record, id));
      return { ...rest, record: judged.record, unlinked: Object.fromEntries(unlinked) };
    }
    let next: World = { ...rest, record: judged.record, op: judged.op };
    const { [judged.link ?? '']: _linked, ...unlinked } = next.unlinked;
    next = { ...next, unlinked };
    if (judged.action === 'insert-row') return rowFollows(next, true, reading.deed, false);
    if (judged.action === 'delete-row') return rowFollows(next, false, reading.deed, world.open);
    if (judged.link === null) return next;
    const snapshot = { revision: judged.record.revision, histories: {} };
    const properties = judgeRecord(judged.record, {}, snapshot, world.row ? {} : undefined, terms);
    return { ...next, record: properties.record };
  }

  function addWebhooks(world: World, move: Add, chance: Add) {
    world.events.forEach((event, index) => {
      const name = `webhook ${event.ours ? 'own ' : ''}${event.kind} ${event.id}`;
      const next = { ...world, events: without(world.events, index) };
      move(name, receive(next, event));
      if (world.left.dup > 0) {
        const left = { ...world.left, dup: world.left.dup - 1 };
        chance(`${name}, which comes again`, receive({ ...world, left }, event));
      }
      if (world.left.lose > 0) {
        const left = { ...world.left, lose: world.left.lose - 1 };
        chance(`${name} is lost for ever`, { ...next, left, reconcile: true });
      }
    });
  }

  function receive(world: World, event: Told): World {
    if (event.ours && !on('echo')) return world;
    const { record, op } = world;
    const { id } = event;
    if (!knownId(record, id)) {
      if (event.kind === 'deletion' && !on('tomb')) return world;
      const known = receiveUnlinked(world.unlinked[id] ?? null, event);
      return { ...world, unlinked: { ...world.unlinked, [id]: known } };
    }
    const received = receiveExistence(record, op, event, policy);
    const next = { ...world, record: received.record, op: received.op };
    return received.outcome === 'delete-row'
      ? rowFollows(next, false, event.deed, world.open)
      : next;
  }

  function reconcile(world: World): World {
    const unlinked = { ...world.unlinked };
    for (const { id, alive } of world.hub) {
      if (alive && !knownId(world.record, id)) {
        unlinked[id] = { dead: unlinked[id]?.dead ?? null, wanted: true };
      }
    }
    return {
      ...world,
      reconcile: false,
      unlinked,
      record: doubt(world.record, 'reconcile'),
    };
  }
}

/** Without the ledger a record that is dead or alive again tells nothing of whose deed it was. */
function withoutLedger(record: RecordState): RecordState {
  const ids = record.existence.ids.map(({ id, createdByUs }) => ({
    id,
    createdByUs,
    dead: null,
    archivedByUs: false,
  }));
  return withExistence(record, { ids });
}
