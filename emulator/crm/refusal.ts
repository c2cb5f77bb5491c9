// How the rules say no: an error that carries HubSpot's own answer. api/ turns it into a response, or into
// one entry of `errors` in a batch answer.

/** One entry of `errors` inside an error body. */
export type ErrorDetail = {
  message: string;
  code?: string;
  in?: string;
  subCategory?: string;
  context?: Record<string, string[]>;
};

/** HubSpot's error body, without `status: "error"` and `correlationId`, which the answer adds. */
export type ErrorBody = {
  message: string;
  category?: string;
  subCategory?: string;
  context?: Record<string, string[]>;
  errors?: ErrorDetail[];
  [more: string]: unknown;
};

/** A refusal of HubSpot: HTTP status and body. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;
  readonly body: ErrorBody;

  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.status = status;
    this.body = body;
  }
}

/** 400 with category VALIDATION_ERROR. */
export function refuseInvalid(message: string, more: Partial<ErrorBody> = {}): Refusal {
  return new Refusal(400, { message, category: 'VALIDATION_ERROR', ...more });
}

/** 404 as HubSpot words it for anything that is not there. */
export function refuseMissing(message = 'resource not found'): Refusal {
  return new Refusal(404, { message, category: 'OBJECT_NOT_FOUND' });
}
