/** docs/config.md, printed from the table of options; a test compares the two. */
import { explain, flagOf, type Group, type Option, options } from './options.ts';

const intro = `# Settings

Every setting is an environment variable with a flag of the same name. A flag stands before the
environment, that before a \`.env\` file in the current folder, that before the default. An empty variable
is not set. A wrong one ends the command at its start with a sentence about each. One that is not carried
out yet is reserved: it is checked, and the log warns whoever sets it.

\`PGHOST\`, \`PGPORT\`, \`PGUSER\`, \`PGPASSWORD\`, \`PGDATABASE\` and \`PGSSLMODE\` choose a database as they do for
\`psql\` where \`DATABASE_URL\` is not set. \`NO_COLOR\` is respected.

This page is printed from shared/service/options.ts by \`node scripts/print-config.mjs\`.
`;

/** The page as Markdown. */
export function printConfigPage(): string {
  const all: readonly Option[] = Object.values(options);
  const groups = [...new Set(all.map(({ group }) => group))];
  return [intro, ...groups.map((group) => printGroup(group, all))].join('\n');
}

function printGroup(group: Group, all: readonly Option[]): string {
  const rows = all
    .filter((option) => option.group === group)
    .map((option) => {
      const standard =
        option.default === undefined ? (option.defaultSays ?? '') : `\`${option.default}\``;
      const says = option.secret
        ? `${explain(option)} Never shown in an error or a log.`
        : explain(option);
      return `| \`${option.variable}\` | \`${flagOf(option)}\` | ${standard} | ${says} |`;
    });
  return [
    `## ${group}`,
    '',
    '| variable | flag | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
