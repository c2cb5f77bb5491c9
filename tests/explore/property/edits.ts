/** What people do on either side, and how a row's transaction ends. */
import { consumeChange } from '../../../shared/protocol/consume.ts';
import { comparisonEmitted } from '../../../shared/protocol/record.ts';
import { applied } from './inwards.ts';
import type { Scene } from './scene.ts';
import {
  currentOf,
  type Edit,
  KEPT_OUT,
  OTHER,
  START,
  same,
  spend,
  textOf,
  type World,
} from './world.ts';

export function editRow(world: World, { options, happens, moves, terms }: Scene) {
  if (world.left.local > 0 && world.open === null) {
    const older = options.toggle
      ? [...new Set(world.values)].filter((value) => value !== textOf(world, world.row))
      : [];
    const fresh = options.refuse && world.left.local === options.local ? KEPT_OUT : null;
    for (const value of [fresh, ...older]) {
      const [edit, change] = newEdit(world, value, world.rowPast);
      happens(
        `local edit ${edit} begins${value === null ? '' : `, to ${value}`}`,
        spend(world, 'local', {
          ...change,
          open: edit,
          edited: { ...world.edited, local: true },
        }),
      );
    }
  }
  if (world.left.other > 0) {
    const value = String(world.left.other);
    const seq = `${world.serial}.${value}`;
    const next = consumeChange(world.record, world.pendings, { [OTHER]: value }, seq);
    happens(
      'another property is edited, and that consumed',
      spend(world, 'other', {
        ...next,
        serial: world.serial + 1,
        edited: { ...world.edited, local: true },
      }),
    );
  }
  if (world.open !== null) {
    moves(`local edit ${world.open} commits`, {
      ...world,
      row: world.open,
      rowPast: world.rowPast | (1 << world.open),
      open: null,
      wal: [...world.wal, { kind: 'change', edit: world.open }],
    });
  }
  if (world.unlocked) {
    const { edit, time } = world.unlocked;
    moves(`the apply of ${edit}@${time} commits`, {
      ...world,
      unlocked: null,
      record: applied(world, edit, time, terms),
      wal: [...world.wal, { kind: 'mark', edit, time }],
    });
  }
  if (world.record.compareWanted && world.open === null && world.unlocked === null) {
    moves('a comparison is written to the WAL', {
      ...world,
      record: comparisonEmitted(world.record),
      wal: [...world.wal, { kind: 'compare', edit: world.row }],
    });
  }
}

export function editHub(world: World, { options, happens }: Scene) {
  if (world.left.hub === 0) return;
  const own = textOf(world, world.row);
  const typed = options.noop && own !== textOf(world, currentOf(world)) ? [null, own] : [null];
  for (const value of typed) {
    const [edit, change] = newEdit(world, value, world.hubPast);
    const edited = { ...world.edited, hub: true };
    happens(
      `HubSpot edit ${edit}${value === null ? '' : `, to the row's own value ${value}`}`,
      writeHub(spend(world, 'hub', { ...change, edited }), edit, false),
    );
  }
}

/** An identical write makes no history and no webhook. */
export function writeHub(world: World, edit: Edit, own: boolean): World {
  if (same(world, currentOf(world), edit)) return world;
  const history = [...world.history, { edit, own }];
  return {
    ...world,
    history,
    hubPast: world.hubPast | (world.pasts[edit] as number) | (1 << edit),
    events: [...world.events, { edit, time: START + history.length - 1, own }],
  };
}

function newEdit(world: World, value: string | null, past: number): [Edit, Partial<World>] {
  const edit = world.values.length;
  const values = [...world.values, value ?? String(edit)];
  return [edit, { values, pasts: [...world.pasts, past] }];
}
