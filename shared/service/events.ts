/**
 * What happens, told as typed events in the middle of the walk. Metrics, log lines and the arrows of
 * the terminal are listeners, so that the walk stays clean and a test can await an event.
 * Events carry names (object, key, property), never a property's value.
 */

/** The record an event is about. */
export interface RecordNames {
  /** HubSpot's path name of the type: `deals`. */
  readonly object: string;
  /** The row's key as text. */
  readonly key: string;
  readonly hubspotId?: string | undefined;
}

export type WriteOperation = 'update' | 'upsert' | 'create' | 'archive' | 'associate';

export interface EventMap {
  /** A committed change of a mapped row is durable in the outbox. */
  'outbound:change': RecordNames & {
    readonly operation: 'insert' | 'update' | 'delete';
    /** Names of the HubSpot properties that became pending. */
    readonly properties: readonly string[];
    /** Commit LSN as text, `16/B374D848`. */
    readonly lsn: string;
  };
  /** HubSpot answered a record's write and the answer is settled. */
  'outbound:sent': RecordNames & {
    readonly operation: WriteOperation;
    readonly properties: readonly string[];
    /** Milliseconds from the first change's commit to the settled answer, where known. */
    readonly tookMs?: number;
  };
  /** A batch call came back, whatever the answer. */
  'batch:sent': {
    readonly object: string;
    readonly operation: WriteOperation | 'read';
    readonly size: number;
    readonly refused: number;
    readonly tookMs: number;
    readonly status: number | 'unknown';
  };
  /** One HTTP call to HubSpot ended. */
  'hubspot:call': {
    /** Method and path with `:id` for ids, such as `POST /crm/v3/objects/deals/batch/update`. */
    readonly call: string;
    readonly status: number | 'unknown';
    readonly tookMs: number;
    readonly lane?: string;
  };
  /** HubSpot answered 429 in spite of our pacing. */
  'hubspot:limited': { readonly call: string; readonly policy: string | undefined };
  /** An inbound change is committed in the row. */
  'inbound:change': RecordNames & {
    readonly operation: 'insert' | 'update' | 'delete' | 'associate';
    readonly properties: readonly string[];
    readonly eventId?: string;
    /** Milliseconds from HubSpot's occurredAt to the commit. */
    readonly tookMs?: number;
  };
  /** A webhook request was answered. */
  'webhook:received': {
    readonly status: number;
    readonly events: number;
    readonly stored: number;
    readonly tookMs: number;
  };
  /** An inbound event left the inbox without changing a row. */
  'inbound:settled': Partial<RecordNames> & {
    readonly outcome: 'stale' | 'same' | 'foreign' | 'ignored' | 'skipped';
    readonly eventId?: string;
  };
  /** Both sides changed the same property; `winner` stands. */
  conflict: RecordNames & {
    readonly property: string;
    readonly winner: 'hubspot' | 'postgres';
  };
  /** Something about the record must be read back before it is judged. */
  doubt: RecordNames & { readonly property?: string; readonly reason: string };
  /** A change of our own came back and was recognised. */
  echo: RecordNames & {
    readonly direction: 'outbound' | 'inbound';
    readonly properties: readonly string[];
  };
  deadletter: RecordNames & {
    readonly direction: 'outbound' | 'inbound';
    readonly code: string;
  };
  /** HubSpot refuses a property altogether; it left the mapping until the next start. */
  'property:dropped': {
    readonly object: string;
    readonly property: string;
    readonly reason: string;
  };
  /** The slot's confirmed position moved, or its distance was measured. */
  'slot:progress': {
    readonly slot: string;
    readonly confirmedLsn: string;
    /** Bytes between the server's insert position and what we confirmed, where measured. */
    readonly lagBytes?: number;
  };
  'slot:state': {
    readonly slot: string;
    readonly state: 'streaming' | 'standby' | 'reconnecting';
    readonly reason?: string;
  };
  /** A round of reconcile ended. */
  'reconcile:done': {
    readonly object: string;
    readonly compared: number;
    readonly differed: number;
  };
}

export type EventName = keyof EventMap;
export type Listener<N extends EventName> = (event: EventMap[N]) => void;

export interface Events {
  /** Answers a function that takes the listener away. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void;
  /** The next event of that name for which `filter` says yes. */
  next<N extends EventName>(
    name: N,
    filter?: (event: EventMap[N]) => boolean,
    signal?: AbortSignal,
  ): Promise<EventMap[N]>;
  /** Tells every listener in turn. Never throws: a listener can't break the work it listens to. */
  emit<N extends EventName>(name: N, event: EventMap[N]): void;
}

/** @param onListenerError where a listener's exception goes, usually a log line. */
export function createEvents(
  onListenerError: (error: unknown, name: EventName) => void = () => undefined,
): Events {
  const listeners = new Map<EventName, Set<Listener<never>>>();
  const events: Events = {
    on(name, listener) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set);
      set.add(listener);
      return () => void set.delete(listener);
    },
    next(name, filter = () => true, signal) {
      return new Promise((resolve, reject) => {
        const giveUp = () => {
          off();
          reject(signal?.reason);
        };
        const off = events.on(name, (event) => {
          if (!filter(event)) return;
          off();
          signal?.removeEventListener('abort', giveUp);
          resolve(event);
        });
        if (signal?.aborted) giveUp();
        signal?.addEventListener('abort', giveUp, { once: true });
      });
    },
    emit(name, event) {
      for (const listener of [...(listeners.get(name) ?? [])]) {
        try {
          (listener as Listener<typeof name>)(event);
        } catch (error) {
          onListenerError(error, name);
        }
      }
    },
  };
  return events;
}
