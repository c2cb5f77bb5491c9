/**
 * What `start` shows to a person: what runs where, what to try, and each change as one line with an
 * arrow in its direction. Lines name object, key and properties; values never appear.
 */
import pc from 'picocolors';
import type { Config } from '../shared/service/config.ts';
import type { EventMap, Events } from '../shared/service/events.ts';

export interface Banner {
  readonly config: Config;
  readonly urls: {
    readonly webhook: string;
    readonly cdc: string;
    /** Undefined when HubSpot is the real one. */
    readonly emulator?: string | undefined;
  };
  /** A sentence on which mapping is used, and why. */
  readonly mapping: string;
  /** A deal of the sample data to try things with. */
  readonly sampleDeal?: { readonly key: string; readonly hubspotId: string } | undefined;
}

/** The text that `start` prints once everything runs. */
export function describeStart({ config, urls, mapping, sampleDeal }: Banner): string {
  const database = config.embedded
    ? `${config.databaseUrl} (embedded, data in ${config.dataDir})`
    : withoutPassword(config.databaseUrl);
  const lines = [
    '',
    pc.bold('pg-hubspot-sync runs:'),
    `  Postgres   ${database}`,
    `  HubSpot    ${urls.emulator ? `${urls.emulator} (emulator, token ${config.emulator.token})` : config.hubspot.baseUrl}`,
    `  webhook    ${urls.webhook}/webhooks/hubspot`,
    `  status     ${urls.webhook}/api/hubspot/sync-status`,
    `  cdc        ${urls.cdc}/metrics`,
    `  mapping    ${mapping}`,
  ];
  if (sampleDeal && urls.emulator) {
    const { key, hubspotId } = sampleDeal;
    const edit = JSON.stringify({ properties: { amount: '4321' } });
    lines.push(
      '',
      pc.bold('Try:'),
      '  1. change a row, and see it in HubSpot:',
      `     psql ${config.databaseUrl} -c "update opportunities set amount = 1234 where id = '${key}'"`,
      '  2. change the deal in HubSpot, and see it in Postgres:',
      `     curl -X PATCH ${urls.emulator}/_emulator/objects/deals/${hubspotId} -H 'content-type: application/json' -d '${edit}'`,
      '  3. look at what happened:',
      `     ${urls.webhook}/api/hubspot/sync-status`,
    );
  }
  lines.push(
    '',
    `Changes, as they arrive (${pc.green('→')} HubSpot, ${pc.cyan('←')} Postgres):`,
    '',
  );
  return lines.join('\n');
}

function withoutPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (url.password) url.password = '***';
  return url.href;
}

/** Lines a second; what comes beyond them is summed up, so that the instructions stay in sight. */
const linesPerSecond = 20;

/** Prints the arrow lines. @returns a function that ends it */
export function printChanges(events: Events, say: (line: string) => void): () => void {
  const arrows = createSummingUp(say);
  const off = [
    events.on('outbound:sent', (event) => arrows.say(describeSent(event))),
    events.on('inbound:change', (event) => arrows.say(describeReceived(event))),
    events.on('conflict', (event) =>
      arrows.say(
        `${pc.yellow('⚡')} ${event.object} ${event.key}: ${event.property} was changed on both sides; ${
          event.winner === 'hubspot' ? 'HubSpot' : 'Postgres'
        } stands`,
      ),
    ),
    events.on('deadletter', (event) =>
      arrows.say(
        `${pc.red('✗')} ${event.object} ${event.key} ${describeEnd(event)} (${event.code}); the reason is in dead_letter`,
      ),
    ),
  ];
  return () => {
    for (const remove of off) remove();
    arrows.end();
  };
}

/** Says the first lines of each second, and how many more there were when it is over. */
function createSummingUp(say: (line: string) => void): { say(line: string): void; end(): void } {
  let second: NodeJS.Timeout | undefined;
  let said = 0;
  const end = () => {
    clearTimeout(second);
    second = undefined;
    const more = said - linesPerSecond;
    if (more > 0) say(pc.dim(`… and ${more} more change${more > 1 ? 's' : ''}`));
    said = 0;
  };
  return {
    end,
    say(line) {
      second ??= setTimeout(end, 1000);
      said += 1;
      if (said <= linesPerSecond) say(line);
    },
  };
}

type Sent = EventMap['outbound:sent'];
type Received = EventMap['inbound:change'];

/** Who refused it; most of what becomes a dead letter nobody refused, since it never got there. */
function describeEnd({ direction, code }: EventMap['deadletter']): string {
  if (code.startsWith('HUBSPOT_')) return 'was refused by HubSpot';
  if (code === 'ROW_REFUSED') return 'was refused by Postgres';
  return direction === 'outbound' ? 'can’t be sent as it is' : 'can’t be taken over as it is';
}

function describeSent({ object, key, hubspotId, operation, properties, tookMs }: Sent): string {
  return line(pc.green('→'), { object, key, hubspotId, operation, properties, tookMs });
}

function describeReceived(event: Received): string {
  return line(pc.cyan('←'), event);
}

function line(
  arrow: string,
  event: Pick<Sent, 'object' | 'key' | 'hubspotId' | 'properties'> & {
    readonly operation: string;
    readonly tookMs?: number | undefined;
  },
): string {
  const { object, key, hubspotId, operation, properties, tookMs } = event;
  // A row that came from HubSpot has the id in its key already.
  const id = hubspotId && !key.includes(hubspotId) ? ` (${hubspotId})` : '';
  const what = properties.length > 0 ? ` ${properties.join(', ')}` : '';
  const verb = operation === 'update' ? '' : ` ${operation}`;
  const took = tookMs === undefined ? '' : pc.dim(` ${Math.round(tookMs)} ms`);
  return `${arrow} ${object} ${key}${id}${verb}${what}${took}`;
}
