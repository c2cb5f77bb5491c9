/** What contradicts itself within one table of the mapping file. */
import type { TableEntry } from './file.ts';
import type { AssociationMapping, PropertyMapping } from './mapping.ts';
import type { Mistake } from './mistake.ts';

export function tableMistakes(
  entry: TableEntry,
  key: readonly string[],
  properties: readonly PropertyMapping[],
  associations: readonly AssociationMapping[],
  at: readonly (string | number)[],
): Mistake[] {
  return [
    ...columnMistakes(entry, key, properties, associations, at),
    ...companionMistakes(properties, at),
    ...keyMistakes(entry, key, at),
    ...deleteMistakes(entry, at),
  ];
}

/** Each column gets its value from one place. */
function columnMistakes(
  entry: TableEntry,
  key: readonly string[],
  properties: readonly PropertyMapping[],
  associations: readonly AssociationMapping[],
  at: readonly (string | number)[],
): Mistake[] {
  const mistakes: Mistake[] = [];
  const sources = new Map<string, string>();
  const claim = (column: string, source: string, path: Mistake['path']) => {
    const before = sources.get(column);
    if (before !== undefined) {
      mistakes.push({
        path,
        message: `the column ${column} is mapped to both ${before} and ${source}`,
        remedy: 'Map each column once, so that it is clear which value counts',
      });
    }
    sources.set(column, source);
  };
  for (const { property, column, direction } of properties) {
    const short = typeof entry.properties[property] === 'string';
    const path = [...at, 'properties', property, ...(short ? [] : ['column'])];
    claim(column, property, path);
    if (key.includes(column) && direction !== 'outbound') {
      mistakes.push({
        path,
        message: `${column} is the key, which HubSpot must not change`,
        remedy: `Write \`direction: outbound\`; ${entry.idProperty} holds the key anyway`,
      });
    }
  }
  associations.forEach(({ column, name }, i) => {
    claim(column, name, [...at, 'associations', i, 'column']);
    if (associations.findIndex((other) => other.name === name) < i) {
      mistakes.push({
        path: [...at, 'associations', i, 'to'],
        message: 'the same association has two foreign keys',
        remedy: 'Give one of them the `type:` of a labelled association',
      });
    }
  });
  if (entry.hubspotIdColumn !== undefined) {
    claim(entry.hubspotIdColumn, 'HubSpot’s id', [...at, 'hubspotIdColumn']);
  }
  if (entry.deletes.markColumn !== undefined) {
    claim(entry.deletes.markColumn, 'the mark of deletions', [...at, 'deletes', 'markColumn']);
  }
  for (const column of Object.keys(entry.defaults)) {
    if (!sources.has(column) && !key.includes(column)) continue;
    mistakes.push({
      path: [...at, 'defaults', column],
      atKey: true,
      message: `${column} gets its value from HubSpot`,
      remedy: 'Remove the default, or the mapping of the column',
    });
  }
  return mistakes;
}

/** A constant that is sent along would overwrite what the row says. */
function companionMistakes(
  properties: readonly PropertyMapping[],
  at: readonly (string | number)[],
): Mistake[] {
  return properties.flatMap(({ property, sendWith }) =>
    Object.keys(sendWith)
      .filter((name) => properties.some((other) => other.property === name))
      .map((name) => ({
        path: [...at, 'properties', property, 'sendWith', name],
        atKey: true,
        message: `${name} is mapped to a column and can’t be a constant too`,
        remedy: 'Remove one of the two',
      })),
  );
}

function keyMistakes(
  entry: TableEntry,
  key: readonly string[],
  at: readonly (string | number)[],
): Mistake[] {
  const mistakes: Mistake[] = [];
  if (new Set(key).size < key.length) {
    mistakes.push({
      path: [...at, 'key'],
      message: 'the key names a column twice',
      remedy: 'Name each column once',
    });
  }
  if (entry.properties[entry.idProperty] !== undefined) {
    mistakes.push({
      path: [...at, 'properties', entry.idProperty],
      atKey: true,
      message: `${entry.idProperty} is the id property and can’t be mapped to a column`,
      remedy: 'Remove it here: it holds the row’s key by itself',
    });
  }
  if (entry.id !== undefined && key.length > 1) {
    mistakes.push({
      path: [...at, 'id'],
      message: 'an id template needs a key of one column',
      remedy: 'Remove `id`, or give the table a key of one column',
    });
  }
  if (entry.id !== undefined && entry.id.split('{id}').length > 2) {
    mistakes.push({
      path: [...at, 'id'],
      message: 'the id template names {id} twice',
      remedy: 'Name it once, such as hs_{id}',
    });
  }
  return mistakes;
}

function deleteMistakes(entry: TableEntry, at: readonly (string | number)[]): Mistake[] {
  const { inbound, markColumn } = entry.deletes;
  if (inbound === 'mark' && markColumn === undefined) {
    return [
      {
        path: [...at, 'deletes', 'inbound'],
        message: '`mark` needs the column that is marked',
        remedy: 'Add `markColumn: deleted_at`, a boolean or timestamp column',
      },
    ];
  }
  if (inbound !== 'mark' && markColumn !== undefined) {
    return [
      {
        path: [...at, 'deletes', 'markColumn'],
        atKey: true,
        message: `\`markColumn\` means nothing with \`inbound: ${inbound}\``,
        remedy: 'Write `inbound: mark`, or remove it',
      },
    ];
  }
  return [];
}
