// A property as requests define it: what must be there, which types go with which fields.
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { PropertyDefinition, PropertyOption } from '../../crm/properties/definition.ts';
import { Refusal, refuseInvalid } from '../../crm/refusal.ts';

const FIELDS_OF_TYPE: Record<string, string[]> = {
  string: ['text', 'textarea', 'phonenumber', 'html', 'file', 'calculation_equation'],
  phone_number: ['phonenumber', 'text'],
  number: ['number', 'calculation_equation'],
  bool: ['booleancheckbox', 'calculation_equation'],
  enumeration: ['select', 'radio', 'checkbox', 'booleancheckbox', 'calculation_equation'],
  date: ['date'],
  datetime: ['date'],
};

/** At most so many properties of a type have unique values. */
const MOST_UNIQUE = 10;

/** A new property. Throws `Refusal`, 409 for a name that is taken. */
export function readNewProperty(
  crm: CrmContext,
  type: ObjectType,
  input: Record<string, unknown>,
): PropertyDefinition {
  const name = String(input.name ?? '');
  if (!/^[a-z][a-z0-9_]{0,99}$/.test(name)) {
    throw refuseInvalid(
      `Property name "${name}" is invalid: it must begin with a letter and hold lower-case letters, digits and underscores only`,
    );
  }
  for (const required of ['label', 'type', 'fieldType', 'groupName']) {
    if (typeof input[required] !== 'string' || input[required] === '') {
      throw refuseInvalid(`Invalid input JSON: ${required} is required`);
    }
  }
  if (crm.properties.find(type.id, name)) {
    throw new Refusal(409, {
      message: `A property named '${name}' already exists.`,
      category: 'OBJECT_ALREADY_EXISTS',
      subCategory: 'Properties.PROPERTY_WITH_NAME_EXISTS',
    });
  }
  const hasUniqueValue = input.hasUniqueValue === true;
  if (hasUniqueValue && crm.properties.listUnique(type.id).length >= MOST_UNIQUE) {
    throw refuseInvalid(`At most ${MOST_UNIQUE} properties of ${type.name} can have unique values`);
  }
  const now = crm.now();
  const definition: PropertyDefinition = {
    name,
    label: '',
    type: 'string',
    fieldType: 'text',
    groupName: '',
    description: '',
    options: [],
    displayOrder: -1,
    calculated: false,
    externalOptions: false,
    hasUniqueValue,
    hidden: false,
    hubspotDefined: false,
    formField: false,
    readOnlyValue: false,
    readOnlyDefinition: false,
    ...readSensitivity(input.dataSensitivity),
    createdAt: now,
    updatedAt: now,
  };
  return changeProperty(crm, type, definition, input);
}

function readSensitivity(given: unknown): Pick<PropertyDefinition, 'dataSensitivity'> {
  if (given === undefined || given === null || given === 'non_sensitive') return {};
  if (given === 'sensitive' || given === 'highly_sensitive') return { dataSensitivity: given };
  throw refuseInvalid(`${String(given)} is not a data sensitivity`);
}

/** The definition with what `input` changes; a list of options replaces the former one. */
export function changeProperty(
  crm: CrmContext,
  type: ObjectType,
  definition: PropertyDefinition,
  input: Record<string, unknown>,
): PropertyDefinition {
  const changed = { ...definition, updatedAt: crm.now() };
  for (const name of ['label', 'description', 'fieldType', 'groupName'] as const) {
    const value = input[name];
    if (typeof value === 'string') changed[name] = value;
  }
  for (const name of ['hidden', 'formField'] as const) {
    const value = input[name];
    if (typeof value === 'boolean') changed[name] = value;
  }
  if (typeof input.displayOrder === 'number') changed.displayOrder = input.displayOrder;
  if (typeof input.type === 'string') changed.type = input.type as PropertyDefinition['type'];
  if (input.options !== undefined) changed.options = readOptions(input.options);

  const fields = FIELDS_OF_TYPE[changed.type];
  if (fields === undefined) throw refuseInvalid(`${changed.type} is not a property type`);
  if (!fields.includes(changed.fieldType)) {
    throw refuseInvalid(`fieldType ${changed.fieldType} does not go with type ${changed.type}`);
  }
  if (!crm.properties.listGroups(type.id).some(({ name }) => name === changed.groupName)) {
    throw refuseInvalid(`Property group ${changed.groupName} does not exist`);
  }
  const isChoice = changed.type === 'enumeration' && !changed.externalOptions;
  if (isChoice && changed.options.length === 0) {
    throw refuseInvalid('An enumeration requires options');
  }
  if (changed.type === 'bool' && changed.options.length === 0) {
    changed.options = readOptions([
      { label: 'Yes', value: 'true' },
      { label: 'No', value: 'false' },
    ]);
  }
  return changed;
}

function readOptions(options: unknown): PropertyOption[] {
  if (!Array.isArray(options)) throw refuseInvalid('Invalid input JSON: options must be a list');
  const read = options.map((option: unknown, at) => {
    const { label, value, displayOrder, hidden, description } = (option ?? {}) as Record<
      string,
      unknown
    >;
    if (typeof label !== 'string' || typeof value !== 'string' || value.includes(';')) {
      throw refuseInvalid('An option requires a label and a value without semicolons');
    }
    return {
      label,
      value,
      displayOrder: typeof displayOrder === 'number' ? displayOrder : at,
      hidden: hidden === true,
      ...(typeof description === 'string' ? { description } : {}),
    };
  });
  if (new Set(read.map(({ value }) => value)).size < read.length) {
    throw refuseInvalid('Two options have the same value');
  }
  return read;
}
