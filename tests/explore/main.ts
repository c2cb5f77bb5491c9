/**
 * `npm run check-protocol`: explores the protocol's own decisions exhaustively and prints what it
 * found. Exit code 1 on a violation.
 */
import { parseArgs } from 'node:util';
import { existence } from './existence.ts';
import { explore, type Report } from './explorer.ts';
import { noFaults, type Options, type Part } from './part.ts';
import { property } from './property.ts';

const parts: readonly Part[] = [property, existence];

const usage = `usage: npm run check-protocol -- [options]
With nothing said every configuration of both parts is explored; with bounds one, of one part.
  --part property|existence   only this part
  --local N --hub N           edits on either side
  --other N                   local edits of another property of the record
  --drop N --timeout N        lost requests or answers; calls given up that are carried out later
  --dup N --lose N            webhooks that come again; that never come
  --answer atomic|late|blind  what an answer tells
  --skew none|two|four        how the clocks of answers differ from the history's
  --coarse                    webhooks tell coarser times than the history
  --noop --toggle             edits to values that were there before, in HubSpot, in the row
  --born hubspot|postgres     where the record was born
  --refuse                    HubSpot silently keeps out the first local value
  --ledger N                  lines of a property's ledger
  --open                      an apply may not see a row whose insert isn't committed
  --deletes both|keep|mark|ignore   which deletions the other side follows
  --without rule,rule         switch rules off; without bounds in the smallest that show it
  --bites                     each rule in turn is left out so: each must be missed
  --max N                     limit of states`;

try {
  process.exitCode = run(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(usage);
  process.exitCode = 2;
}

function run(args: string[]): number {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args,
    options: {
      part: text,
      local: text,
      hub: text,
      other: text,
      drop: text,
      timeout: text,
      dup: text,
      lose: text,
      ledger: text,
      answer: text,
      skew: text,
      born: text,
      without: text,
      max: text,
      coarse: flag,
      noop: flag,
      toggle: flag,
      refuse: flag,
      open: flag,
      deletes: text,
      bites: flag,
      help: flag,
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const chosen = parts.filter((part) => values.part === undefined || part.name === values.part);
  if (chosen.length === 0) throw new Error(`no part ${values.part}`);
  const { part: _part, bites, help: _help, without, max, ...bounds } = values;
  if (bites) return checkBites(chosen);
  const limit = max === undefined ? {} : { max: whole('max', max) };
  const off = without === undefined ? [] : without.split(',').filter(Boolean);
  if (Object.keys(bounds).length === 0 && off.length === 0) {
    return exploreAll(chosen, limit);
  }
  if (Object.keys(bounds).length === 0) {
    const bites = bitesOf(chosen, off);
    if (bites.length > 0) return exploreBites(bites);
  }
  const part =
    chosen.find(({ rules }) => off.every((rule) => rules.includes(rule))) ?? (chosen[0] as Part);
  for (const rule of off) if (!part.rules.includes(rule)) throw new Error(`no rule ${rule}`);
  const options = { ...noFaults, ...parseBounds(bounds), ...limit, without: off };
  return exploreOne(part, options).violations.length > 0 ? 1 : 0;
}

function exploreAll(chosen: readonly Part[], limit: Partial<Options>): number {
  let violations = 0;
  for (const part of chosen) {
    let states = 0;
    for (const configuration of part.configurations) {
      const report = exploreOne(part, { ...noFaults, ...configuration, ...limit });
      states += report.states;
      violations += report.violations.length;
    }
    console.log(`${part.name}: ${states} states in ${part.configurations.length} configurations\n`);
  }
  return violations > 0 ? 1 : 0;
}

interface Bite {
  readonly part: Part;
  readonly options: Options;
}

/** The smallest bounds in which it is found out that just these rules are left out. */
function bitesOf(chosen: readonly Part[], off: readonly string[]): Bite[] {
  const named = off.toSorted().join();
  return chosen.flatMap((part) =>
    part.bites
      .filter(({ without = [] }) => without.toSorted().join() === named)
      .map((bite) => ({ part, options: { ...noFaults, ...bite } })),
  );
}

function exploreBites(bites: readonly Bite[]): number {
  let violations = 0;
  for (const { part, options } of bites) {
    violations += exploreOne(part, options, true).violations.length;
  }
  return violations > 0 ? 1 : 0;
}

/** Leaving out any rule that is needed must be found out. */
function checkBites(chosen: readonly Part[]): number {
  let missed = 0;
  for (const part of chosen) {
    for (const bite of part.bites) {
      if (exploreBites([{ part, options: { ...noFaults, ...bite } }]) === 0) missed++;
    }
  }
  console.log(missed === 0 ? 'every rule is missed' : `${missed} rules are not missed`);
  return missed > 0 ? 1 : 0;
}

function exploreOne(part: Part, options: Options, first = false): Report {
  const begun = performance.now();
  const model = part.build(options);
  const report = explore(model, { max: options.max, first });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const most = Object.entries(report.most).map(([tally, count]) => `at most ${count} ${tally}`);
  console.log(
    [
      `${part.name} ${describe(options)}: ${report.states} states`,
      `${report.rest} at rest`,
      `depth ${report.depth}`,
      ...most,
      `${seconds} s`,
      report.complete || first ? '' : 'STOPPED at the limit of states',
    ]
      .filter(Boolean)
      .join(', '),
  );
  for (const note of model.notes?.() ?? []) console.log(`  ${note}`);
  for (const { what, count, trace } of report.violations) {
    console.log(`VIOLATION (${count} states): ${what}\n    ${trace.join('\n    ')}`);
  }
  if (report.violations.length === 0) console.log('  0 violations');
  return report;
}

function describe(options: Options): string {
  return Object.entries(options)
    .filter(([name, value]) => {
      return name === 'local' || name === 'hub' || value !== noFaults[name as keyof Options];
    })
    .filter(([name, value]) => name !== 'max' && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => (value === true ? `--${name}` : `--${name} ${value}`))
    .join(' ');
}

function parseBounds(bounds: Record<string, string | boolean | undefined>): Partial<Options> {
  const choices: Record<string, readonly string[]> = {
    answer: ['atomic', 'late', 'blind'],
    skew: ['none', 'two', 'four'],
    born: ['hubspot', 'postgres'],
    deletes: ['both', 'keep', 'mark', 'ignore'],
  };
  return Object.fromEntries(
    Object.entries(bounds).map(([name, value]) => {
      if (typeof value !== 'string') return [name, value];
      const allowed = choices[name];
      if (!allowed) return [name, whole(name, value)];
      if (!allowed.includes(value)) throw new Error(`--${name} is one of ${allowed.join(', ')}`);
      return [name, value];
    }),
  );
}

function whole(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} is a whole number`);
  return Number(value);
}
