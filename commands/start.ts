/**
 * `start`: everything in one process. With nothing configured it is the demo: an embedded Postgres with
 * the reference application's tables, the HubSpot emulator, sample data on both sides, and both rooms.
 * The order matters: the sample rows exist before the slot does, and the key property before cdc.
 */
import { withDemoCredentials } from '../demo/credentials.ts';
import { type Config, refuseEqualPorts, requireAppCredentials } from '../shared/service/config.ts';
import { createEvents } from '../shared/service/events.ts';
import { type Handle, onFirstSignal, runUntilSignal } from '../shared/service/lifecycle.ts';
import type { Logger } from '../shared/service/logger.ts';
import { createMetrics } from '../shared/service/metrics.ts';
import { initialise, isInitialised } from './init.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase, reachHubSpot, refuseTakenPort } from './reach.ts';
import { type CommandBody, UsageError } from './run.ts';
import * as demo from './start/demo.ts';
import { startRooms } from './start/rooms.ts';
import { describeStart, printChanges } from './terminal.ts';

const runStart: CommandBody = async ({ config: given, log, own, say }) => {
  const { embedded } = given;
  const { emulated } = given.hubspot;
  const config = emulated ? withDemoCredentials(given) : given;
  requireAppCredentials(config);
  refuseEqualPorts(config);
  if (own.reset === true && !embedded) {
    throw new UsageError(
      '--reset empties the embedded database; the one that DATABASE_URL or PGHOST names is left alone',
    );
  }
  const { mapping, file: mappingFile, says: mappingSays } = await chooseMapping(config);
  const events = createEvents((error, event) => log.warn({ err: error, event }, 'listener failed'));
  const metrics = createMetrics(events);
  // What was started, in order; it is stopped from the end.
  const running: Handle[] = [];
  const starting = endOnSignal(running, log);
  try {
    await refuseTakenPorts(config);
    if (embedded || emulated) running.push(await demo.claimDataDir(config.dataDir));
    if (embedded) {
      running.push(await demo.startDatabase(config, log, own.reset === true));
      await demo.createDemoOnce(config, log, emulated);
    } else {
      await reachDatabase(config.databaseUrl);
    }
    const emulator = emulated ? await demo.startEmulatorOf(config, log) : undefined;
    if (emulator) running.push(emulator.handle);

    const portalId = await askPortalId(config, log);
    const linkRows = portalId !== undefined;
    await initialise({ config, mapping, log, linkRows, mappingFile });
    if (portalId !== undefined) {
      const { mend } = await import('./doctor.ts');
      await mend({ config, mapping, log });
    }
    const urls = await startRooms({
      config: withPortalId(config, portalId),
      mapping,
      log,
      events,
      metrics,
      onRunning: (handle) => running.push(handle),
    });
    say(
      describeStart({
        config,
        urls: { ...urls, emulator: emulator?.url },
        mapping: mappingSays,
        sampleDeal:
          embedded && emulated ? await demo.findSampleDeal(config.databaseUrl) : undefined,
      }),
    );
    const silence = printChanges(events, say);
    starting.end();
    await runUntilSignal([...running].reverse(), { log });
    silence();
    return { result: null };
  } catch (error) {
    await starting.unlessSignalled();
    for (const handle of [...running].reverse()) await handle.stop().catch(() => undefined);
    throw error;
  } finally {
    starting.end();
    metrics.close();
  }
};

/** Before the slow parts; the real listening comes later. */
async function refuseTakenPorts({ webhook, cdc, emulator, hubspot }: Config): Promise<void> {
  await refuseTakenPort({ ...webhook, variable: 'PORT' });
  await refuseTakenPort({ ...cdc, variable: 'CDC_PORT' });
  if (hubspot.emulated) await refuseTakenPort({ ...emulator, variable: 'EMULATOR_PORT' });
}

/**
 * The account's id, as HubSpot says it. At the first set-up a HubSpot that can't be asked is an error;
 * later on it isn't, since changes must reach the outbox all the same: the WAL doesn't wait for HubSpot.
 * @returns undefined when HubSpot can't be asked now
 */
async function askPortalId(config: Config, log: Logger): Promise<number | undefined> {
  try {
    return await reachHubSpot(config.hubspot);
  } catch (error) {
    if (!(await isInitialised(config))) throw error;
    log.error({ err: error }, 'HubSpot can’t be asked now; changes wait in the outbox');
    return undefined;
  }
}

/** The variable overrides what HubSpot says. */
function withPortalId(config: Config, portalId: number | undefined): Config {
  const { hubspot } = config;
  return { ...config, hubspot: { ...hubspot, portalId: hubspot.portalId ?? portalId } };
}

interface Starting {
  /** Resolves never once a signal came, since the process ends by it; at once otherwise. */
  unlessSignalled(): Promise<void>;
  /** Takes the listeners away. */
  end(): void;
}

/** A signal while things are still starting ends what was started; what fails by that isn't told. */
function endOnSignal(running: readonly Handle[], log: Logger): Starting {
  let signalled = false;
  const end = onFirstSignal(async () => {
    signalled = true;
    log.level = 'silent';
    for (const handle of [...running].reverse()) await handle.stop().catch(() => undefined);
    process.exit(0);
  });
  const unlessSignalled = async () => {
    if (signalled) await new Promise(() => undefined);
  };
  return { unlessSignalled, end };
}

export default runStart;
