// The refusal of property values: a sentence with a JSON array inside, and the same once more as `errors`.
import { type ErrorBody, Refusal } from '../refusal.ts';

export type PropertyProblem = { name: string; code: string; message: string };

/** Keeps its problems, so that a batch can put those of all its inputs into one body. */
export class InvalidPropertiesRefusal extends Refusal {
  override name = 'InvalidPropertiesRefusal';
  readonly problems: PropertyProblem[];

  constructor(problems: PropertyProblem[], body: ErrorBody) {
    super(400, body);
    this.problems = problems;
  }
}

export function refuseProperties(
  problems: PropertyProblem[],
  portalId: number,
): InvalidPropertiesRefusal {
  const list = problems.map(({ name, code, message }) => ({
    isValid: false,
    message,
    error: code,
    name,
    localizedErrorMessage: message,
    portalId,
  }));
  return new InvalidPropertiesRefusal(problems, {
    message: `Property values were not valid: ${JSON.stringify(list)}`,
    errors: problems.map(({ name, code, message }) => ({
      message,
      code,
      context: { propertyName: [name] },
    })),
    category: 'VALIDATION_ERROR',
  });
}
