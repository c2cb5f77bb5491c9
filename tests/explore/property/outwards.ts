/** The way outwards: from the WAL to HubSpot, and what comes back for a call. */
import { claimRecord } from '../../../shared/protocol/claim.ts';
import { consumeChange, consumeCompare, consumeMark } from '../../../shared/protocol/consume.ts';
import { giveUp, settleRecord } from '../../../shared/protocol/settle.ts';
import type { Options } from '../part.ts';
import { writeHub } from './edits.ts';
import type { Scene } from './scene.ts';
import {
  currentOf,
  editOf,
  isKeptOut,
  nowOf,
  OTHER,
  PROPERTY,
  SKEW,
  spend,
  textOf,
  type World,
  without,
} from './world.ts';

export function consume(world: World, { terms, moves }: Scene) {
  const item = world.wal[0];
  if (!item) return;
  const value = textOf(world, item.edit);
  const seq = `${world.serial}.${item.edit}`;
  const rest = { ...world, wal: world.wal.slice(1), serial: world.serial + 1 };
  const { record, pendings } = world;
  if (item.kind === 'change') {
    const next = consumeChange(record, pendings, { [PROPERTY]: value }, seq);
    moves(`consume change ${item.edit}`, { ...rest, ...next });
  } else if (item.kind === 'mark') {
    const values = { [PROPERTY]: { value, time: item.time } };
    const { conflicts: _, ...next } = consumeMark(record, pendings, values, seq, terms);
    moves(`consume mark ${item.edit}@${item.time}`, { ...rest, ...next });
  } else {
    const next = consumeCompare(record, pendings, { [PROPERTY]: value }, seq, terms);
    moves(`consume comparison with row ${item.edit}`, { ...rest, ...next });
  }
}

export function send(world: World, { terms, happens, moves }: Scene) {
  const { record, pendings } = world;
  if (record.call !== null) {
    const { request } = record.call;
    const given = giveUp(record, pendings, request, terms);
    const next = {
      ...world,
      record: given.record,
      pendings: given.pendings,
      network: world.network.map((sent) => (sent.live ? { ...sent, live: false } : sent)),
      answer: null,
      lost: false,
    };
    if (world.lost) moves('the call is given up', next);
    else if (world.left.timeout > 0) {
      happens('time-out or crash: the call is given up', spend(next, 'timeout', {}));
    }
    return;
  }
  if (Object.keys(pendings).length === 0) return;
  const claimed = claimRecord(
    record,
    pendings,
    {
      request: String(world.serial),
      term: 1,
      operation: 'update',
      hubspotId: '1',
      startedAt: world.serial,
    },
    {},
    terms,
  );
  if (claimed.blocked) return;
  const left = Object.entries(pendings).filter(([name]) => !claimed.drop.includes(name));
  const rest = {
    ...world,
    serial: world.serial + 1,
    record: claimed.record,
    pendings: Object.fromEntries(left),
  };
  if (Object.keys(claimed.send).length === 0) {
    moves('nothing of what waits is to be sent', rest);
    return;
  }
  const pending = PROPERTY in claimed.send ? pendings[PROPERTY] : undefined;
  const edit = pending ? editOf(pending.seq) : null;
  const sent = [
    ...(pending ? [`${edit} (${pending.cause})`] : []),
    ...(OTHER in claimed.send ? ['the other property'] : []),
  ];
  moves(
    `send ${sent.join(' and ')}`,
    {
      ...rest,
      network: [...world.network, { edit, live: true }],
      written: { ...world.written, hub: true },
    },
    'writes',
  );
}

export function carryOut(world: World, { options, happens, moves }: Scene) {
  world.network.forEach(({ edit, live }, index) => {
    const rest = { ...world, network: without(world.network, index) };
    const what = edit ?? 'the other property';
    const refused = edit !== null && isKeptOut(options, textOf(world, edit));
    const next = refused || edit === null ? rest : writeHub(rest, edit, true);
    const name = `HubSpot ${refused ? 'silently refuses' : 'writes'} ${what}${live ? '' : ', late'}`;
    const low = nowOf(world);
    if (!live) {
      moves(name, next);
    } else if (edit === null) {
      moves(name, { ...next, answer: { edit, low, high: low } });
    } else if (options.answer === 'atomic') {
      moves(name, { ...next, answer: { edit: currentOf(next), low, high: nowOf(next) } });
    } else {
      moves(name, { ...next, answer: { edit, low, high: null } });
    }
    if (world.left.drop > 0) {
      happens(`the request with ${what} is lost`, spend(rest, 'drop', live ? { lost: true } : {}));
    }
  });
}

export function answer(world: World, { options, terms, happens, moves }: Scene) {
  const given = world.answer;
  const { call } = world.record;
  if (given === null || call === null) return;
  const other = call.values[OTHER];
  if (given.high === null) {
    const edit = options.answer === 'late' ? currentOf(world) : given.edit;
    moves('HubSpot answers', { ...world, answer: { ...given, edit, high: nowOf(world) } });
  } else {
    for (const [early, late] of skewsOf(options)) {
      const startedAt = given.low + early;
      const completedAt = given.high + late;
      if (startedAt > completedAt) continue;
      const { record, pendings } = settleRecord(
        world.record,
        world.pendings,
        {
          request: call.request,
          startedAt,
          completedAt,
          values: {
            ...(given.edit === null ? {} : { [PROPERTY]: textOf(world, given.edit) }),
            ...(other ? { [OTHER]: other.value } : {}),
          },
        },
        terms,
      );
      const what = given.edit ?? 'the other property';
      moves(`answer: ${what}, made between ${startedAt} and ${completedAt}`, {
        ...world,
        record,
        pendings,
        answer: null,
      });
    }
  }
  if (world.left.drop > 0) {
    happens('the answer is lost', spend(world, 'drop', { answer: null, lost: true }));
  }
}

/** How far the clocks of an answer are off, at its two ends. */
function skewsOf({ skew }: Options): readonly (readonly [number, number])[] {
  if (skew === 'none') return [[0, 0]];
  const both: (readonly [number, number])[] = [
    [-SKEW, -SKEW],
    [SKEW, SKEW],
  ];
  return skew === 'two' ? both : [...both, [SKEW, -SKEW], [-SKEW, SKEW]];
}
