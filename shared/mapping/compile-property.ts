/** One property of the mapping file: its codec, and what is wrong with it beyond its form. */
import { type CodecSpec, createCodec } from './codecs.ts';
import type { PropertyEntry } from './file.ts';
import type { PropertyMapping } from './mapping.ts';
import { isTimeZone, type Mistake } from './mistake.ts';

/** Settings that mean something for some types only. */
const settingsOfTypes: Readonly<Record<string, readonly PropertyEntry['type'][]>> = {
  as: ['date', 'multi-enumeration'],
  zone: ['date'],
  separator: ['multi-enumeration'],
  values: ['enumeration', 'multi-enumeration'],
};

/** What `as` may say, by type. */
const forms: Readonly<Record<string, readonly string[]>> = {
  date: ['date', 'datetime'],
  'multi-enumeration': ['text', 'array'],
};

/**
 * @param zone of the file, for calendar days that name none of their own.
 * @returns the property even where there are mistakes, so that the rest can be looked at too.
 */
export function compileProperty(
  property: string,
  entry: PropertyEntry,
  zone: string,
  path: readonly (string | number)[],
): { mapping: PropertyMapping; mistakes: Mistake[] } {
  const zoneIsKnown = entry.zone === undefined || isTimeZone(entry.zone);
  return {
    mapping: {
      property,
      column: entry.column,
      direction: entry.direction,
      policy: entry.policy,
      codec: createCodec(codecSpec(entry, zoneIsKnown ? (entry.zone ?? zone) : 'UTC')),
      required: entry.required,
      personal: entry.personal || entry.type === 'email' || entry.type === 'phone',
      sendWith: entry.sendWith,
    },
    mistakes: [
      ...nameMistakes(property, path),
      ...settingMistakes(entry, path),
      ...valueMistakes(entry, path),
      ...(zoneIsKnown ? [] : [zoneMistake(entry.zone ?? '', [...path, 'zone'])]),
    ],
  };
}

export function zoneMistake(zone: string, path: Mistake['path']): Mistake {
  return {
    path,
    message: `there is no time zone ${zone}`,
    remedy: 'Write a name such as UTC or Europe/Berlin',
  };
}

function nameMistakes(property: string, path: Mistake['path']): Mistake[] {
  const blank = /\s/.test(property);
  if (property === property.toLowerCase() && !blank) return [];
  const likely = property.trim().toLowerCase().replace(/\s+/g, '_');
  return [
    {
      path,
      atKey: true,
      message: blank
        ? `HubSpot’s property names have no blanks, and \`${property}\` looks like a label`
        : `HubSpot’s property names are lower case, and ${property} is not`,
      remedy: blank
        ? `Write the internal name, which HubSpot shows beside the label (</>), perhaps ${likely}`
        : `Write ${likely}`,
    },
  ];
}

function settingMistakes(entry: PropertyEntry, path: Mistake['path']): Mistake[] {
  const { type, as, policy } = entry;
  const mistakes: Mistake[] = [];
  for (const [setting, types] of Object.entries(settingsOfTypes)) {
    if (entry[setting as keyof PropertyEntry] === undefined || types.includes(type)) continue;
    mistakes.push({
      path: [...path, setting],
      atKey: true,
      message: `\`${setting}\` means nothing for the type ${type}`,
      remedy: `Remove it, or write \`type: ${types.join('` or `type: ')}\``,
    });
  }
  if (as !== undefined && forms[type] !== undefined && !forms[type].includes(as)) {
    mistakes.push({
      path: [...path, 'as'],
      message: `a ${type} can’t be read \`as: ${as}\``,
      remedy: `Write \`as: ${forms[type].join('` or `as: ')}\``,
    });
  }
  if (policy !== 'hubspot') {
    // Better refused than taken for `hubspot` without a word.
    mistakes.push({
      path: [...path, 'policy'],
      message: `the policy ${policy} is not carried out yet`,
      remedy:
        'Write `policy: hubspot` (the default), or `direction: outbound` for a column that only Postgres decides',
    });
  }
  return mistakes;
}

function valueMistakes(entry: PropertyEntry, path: Mistake['path']): Mistake[] {
  const { values, type, as, separator = ';' } = entry;
  if (values === undefined) return [];
  const at = (label: string) => [...path, 'values', label];
  const pairs = Object.entries(values);
  const mistakes: Mistake[] = [];
  if (pairs.length === 0) {
    mistakes.push({
      path: [...path, 'values'],
      message: '`values` names no value',
      remedy: 'Name each value with HubSpot’s option id, or remove it to pass the ids as they are',
    });
  }
  const seen = new Map<string, string>();
  for (const [label, option] of pairs) {
    const before = seen.get(option);
    if (before !== undefined) {
      mistakes.push({
        path: at(label),
        message: `option ${option} stands for two values, ${before} and ${label}`,
        remedy: 'Give each option one value: it must be clear which one comes back',
      });
    }
    seen.set(option, label);
    if (type !== 'multi-enumeration') continue;
    if (as !== 'array' && label.includes(separator)) {
      mistakes.push({
        path: at(label),
        atKey: true,
        message: `the value holds the separator ${separator}`,
        remedy: 'Write another `separator`, or make the column an array',
      });
    }
    if (option.includes(';')) {
      mistakes.push({
        path: at(label),
        message: 'no option of HubSpot’s holds a semicolon: it separates them',
        remedy: 'Correct the option id',
      });
    }
  }
  return mistakes;
}

function codecSpec(entry: PropertyEntry, zone: string): CodecSpec {
  const { type, values } = entry;
  switch (type) {
    case 'date':
      return { type, as: entry.as === 'datetime' ? 'datetime' : 'date', zone };
    case 'enumeration':
      return { type, values };
    case 'multi-enumeration':
      return {
        type,
        values,
        column: entry.as === 'array' ? 'array' : 'text',
        separator: entry.separator ?? ';',
      };
    default:
      return { type };
  }
}
