/**
 * Several changes of one record become one before they are folded: the last value of a column wins,
 * delete beats update, an insert after a delete replaces it, an absent column inherits. Marks and
 * comparisons keep their places: what lies on either side of one is never merged. Pure.
 */
import { refId } from '../../shared/postgres/records.ts';
import type { Step } from './change.ts';

/** Steps in WAL order, neighbours of one record merged as they come. */
export interface Steps {
  readonly list: readonly Step[];
  /** Bytes of text held, roughly. */
  readonly bytes: number;
  add(step: Step): void;
}

export function createSteps(): Steps {
  const list: Step[] = [];
  /** Where a record's last step stands, as long as a next one may be merged into it. */
  const last = new Map<string, number>();
  let bytes = 0;
  return {
    list,
    get bytes() {
      return bytes;
    },
    add(step) {
      bytes += sizeOf(step);
      const id = refId({ object: step.table.object, key: step.key });
      const place = last.get(id);
      const before = place === undefined ? undefined : list[place];
      const merged = before && mergeSteps(before, step);
      if (merged && place !== undefined) {
        bytes -= before ? sizeOf(before) : 0;
        list[place] = merged;
        return;
      }
      last.set(id, list.length);
      list.push(step);
      // Two records trade places here: nothing later may move before it.
      if (step.kind === 'rekey') {
        last.delete(id);
        last.delete(refId({ object: step.table.object, key: step.from }));
      }
    },
  };
}

/**
 * The two as one step with the later one's place in the WAL; undefined where they must stay apart.
 */
export function mergeSteps(before: Step, next: Step): Step | undefined {
  if (next.kind === 'update' && (before.kind === 'update' || before.kind === 'insert')) {
    return {
      ...next,
      kind: before.kind,
      columns: { ...before.columns, ...next.columns },
      old: before.old,
      marked: before.marked || next.marked,
    };
  }
  if (next.kind === 'delete' && !next.marked) {
    if (before.kind === 'update' || before.kind === 'insert') return next;
  }
  if (next.kind === 'insert' && !next.marked && before.kind === 'delete' && !before.marked) {
    return next;
  }
  return undefined;
}

function sizeOf(step: Step): number {
  switch (step.kind) {
    case 'insert':
    case 'update':
    case 'rekey':
      return 200 + textOf(step.columns);
    case 'mark':
      return 300 + JSON.stringify(step.mark.values).length;
    case 'delete':
      return 200;
    default:
      return 200 + textOf(step.row ?? {});
  }
}

function textOf(columns: Readonly<Record<string, string | null>>): number {
  let length = 0;
  for (const name in columns) length += columns[name]?.length ?? 0;
  return length;
}
