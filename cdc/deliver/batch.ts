/** Pure: claimed records to batches. One object type and one operation each, each record once. */
import { batchSizes } from '../../shared/hubspot/hubspot.ts';
import type { Claimed } from './claimed.ts';

export type Batch = readonly Claimed[];

/** What may go into one call together. */
function groupOf({ object, operation, association, suspicion }: Claimed): string {
  return `${object}/${operation}/${association?.toObject ?? ''}/${sizeOf(suspicion, batchSizes.write)}`;
}

/**
 * A batch that HubSpot failed with more than once may hold a record that is the reason: such batches
 * get smaller until it stands alone.
 */
function sizeOf(suspicion: number, size: number): number {
  if (suspicion < 2) return size;
  return Math.max(1, Math.floor(size / 4 ** (suspicion - 1)));
}

/**
 * Groups what belongs together and cuts it at `size`. HubSpot takes keys that differ by case for
 * one and then refuses the whole batch: of such twins the second goes into a batch of its own.
 */
export function makeBatches(claimed: readonly Claimed[], size: number = batchSizes.write): Batch[] {
  const open = new Map<string, { batch: Claimed[]; identities: Set<string> }[]>();
  const batches: Claimed[][] = [];
  for (const item of claimed) {
    const group = groupOf(item);
    const identity = (item.hubspotId ?? item.keyValue ?? '').toLowerCase();
    const most = sizeOf(item.suspicion, size);
    const candidates = open.get(group) ?? [];
    open.set(group, candidates);
    let place = candidates.find((c) => c.batch.length < most && !c.identities.has(identity));
    if (!place) {
      place = { batch: [], identities: new Set() };
      candidates.push(place);
      batches.push(place.batch);
    }
    place.batch.push(item);
    place.identities.add(identity);
  }
  return batches;
}

/** A batch that was refused as a whole, in two halves. */
export function splitBatch(batch: Batch): [Batch, Batch] {
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
}
