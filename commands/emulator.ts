/** `emulator`: the local HubSpot alone. It starts empty, and sends its webhooks to WEBHOOK_PUBLIC_URL. */

import { withDemoCredentials } from '../demo/credentials.ts';
import { startEmulator } from '../emulator/server.ts';
import { type Handle, runUntilSignal } from '../shared/service/lifecycle.ts';
import { sayPortInUse } from './reach.ts';
import type { CommandBody } from './run.ts';

const runEmulator: CommandBody = async ({ config: given, log, say }) => {
  const config = withDemoCredentials(given);
  const { emulator, hubspot, webhook } = config;
  const running = await startEmulator({
    port: emulator.port,
    host: emulator.host,
    token: emulator.token,
    rateLimit: emulator.rateLimit,
    clientSecret: hubspot.clientSecrets[0] as string,
    appId: hubspot.appId,
    portalId: hubspot.portalId,
    webhookUrl: webhook.publicUrl,
    log: log.child({ room: 'emulator' }),
  }).catch(sayPortInUse({ ...emulator, variable: 'EMULATOR_PORT' }));
  // Before anybody is told that it runs: a signal may come at once.
  const ended = runUntilSignal([handleOf(running)], { log });
  // The demo's is no secret; one's own is only named.
  const secret =
    given.hubspot.clientSecrets.length > 0
      ? 'of HUBSPOT_CLIENT_SECRET'
      : `${hubspot.clientSecrets[0]} (HUBSPOT_CLIENT_SECRET)`;
  say(`emulator: ${running.url}  bearer token ${emulator.token}, webhooks to ${webhook.publicUrl}`);
  say(
    `  webhooks are of app ${hubspot.appId} (HUBSPOT_APP_ID) in account ${hubspot.portalId} (HUBSPOT_PORTAL_ID), signed with the client secret ${secret}`,
  );
  await ended;
  return { result: null };
};

/** The emulator imports none of our rooms, so its handle has fewer parts than ours. */
export function handleOf(running: { stop(): Promise<void> }): Handle {
  let end: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    end = resolve;
  });
  const stop = async () => {
    await running.stop();
    end();
  };
  return { promise, ready: async () => true, stop, [Symbol.asyncDispose]: stop };
}

export default runEmulator;
