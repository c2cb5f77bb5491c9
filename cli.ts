#!/usr/bin/env node
/**
 * The command line: the one file that knows all rooms, a command a line. Each command lives in a file
 * of its own under commands/ and is imported when it is called, so that `--help` is fast and a broken
 * optional dependency hurts only the command that needs it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, Option as Flag } from 'commander';
import { describeSettings, flagOf, options } from './shared/service/options.ts';
import { packageRoot } from './shared/service/package-root.ts';

const { version, description } = JSON.parse(
  readFileSync(join(packageRoot, 'package.json'), 'utf8'),
) as { version: string; description: string };

const program = new Command('pg-hubspot-sync')
  .description(description)
  .version(version)
  .option('--json', 'one JSON document on stdout: {command, ok, result, error}')
  .showHelpAfterError('(pg-hubspot-sync --help shows what there is)')
  .exitOverride();

for (const option of Object.values(options)) {
  // Listed below the commands instead of among the options, with their variables and defaults.
  program.addOption(new Flag(`${flagOf(option)} <value>`, option.says).hideHelp());
}
program.addHelpText('after', () => describeSettings());

const command = (name: string, says: string) => {
  const added = program.command(name).description(says).exitOverride();
  added.action(async (...args: unknown[]) => {
    const { runCommand } = await import('./commands/run.ts');
    const exitCode = await runCommand({
      name: added.name(),
      load: () => import(`./commands/${added.name()}.ts`),
      own: added.opts(),
      settings: program.opts(),
      args: args.slice(0, -2),
    });
    // Not left to the event loop: a connection that lingers must not keep the process.
    process.exit(exitCode);
  });
  return added;
};

command(
  'start',
  'everything in one process; with nothing configured: a demo with its own Postgres and HubSpot',
).option('--reset', 'begin the demo anew: its database and its HubSpot are emptied first');
command('cdc', 'Postgres to HubSpot, on its own');
command('webhook', 'HubSpot to Postgres, on its own');
command('emulator', 'a local HubSpot, on its own');
command('init', 'make or update the sync’s tables, the publication and the slot');
command('doctor', 'check every precondition, and say how to mend what is wrong').option(
  '--fix',
  'mend what can be mended: create the key properties in HubSpot',
);
command('status', 'what is pending, how far replication is, what failed lately');
command('reconcile', 'read all linked records from HubSpot and judge what differs').option(
  '--full',
  'every linked record; what it does in any case for now',
);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version that were asked for are no error; help that wasn't is wrong usage.
  const asked = error.exitCode === 0;
  process.exitCode = asked ? 0 : 64;
  if (!asked && process.argv.includes('--json')) {
    const message =
      error.code === 'commander.help'
        ? 'a command is missing'
        : error.message.replace(/^error: /, '');
    const failure = { code: 'USAGE', message, advice: 'See pg-hubspot-sync --help.' };
    const named = program.commands.find((c) => process.argv.includes(c.name()))?.name() ?? null;
    process.stdout.write(
      `${JSON.stringify({ command: named, ok: false, result: null, error: failure })}\n`,
    );
  }
}
