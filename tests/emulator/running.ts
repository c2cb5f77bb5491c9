/** A real emulator on a free port, with short words for calling it over HTTP. */
import { type Emulator, type EmulatorOptions, startEmulator } from '../../emulator/server.ts';

export const TOKEN = 'pat-test';
export const SECRET = 'a-secret';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly body: any;
}

export interface RunningEmulator extends Emulator, AsyncDisposable {
  /** Calls an API path with the token. Rejects when the connection is cut. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Calls a path under `/_emulator` without a token. */
  control(method: string, path: string, body?: unknown): Promise<Answer>;
}

export async function runEmulator(
  options: Partial<EmulatorOptions> = {},
): Promise<RunningEmulator> {
  const emulator = await startEmulator({
    port: 0,
    token: TOKEN,
    clientSecret: SECRET,
    appId: 39522895,
    portalId: 12345678,
    ...options,
    behaviour: { webhookWindowMs: 20, derivedBumpChance: 0, ...options.behaviour },
  });
  return {
    ...emulator,
    ...callsOf(emulator.url),
    [Symbol.asyncDispose]: () => emulator.stop(),
  };
}

export function callsOf(url: string): Pick<RunningEmulator, 'call' | 'control'> {
  const send = async (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? (JSON.parse(text) as unknown) : text,
    };
  };
  return {
    call: (method, path, body, headers = {}) =>
      send(method, path, body, { authorization: `Bearer ${TOKEN}`, ...headers }),
    control: (method, path, body) => send(method, `/_emulator${path}`, body, {}),
  };
}

/** A deal made through the control path; answers its id. */
export async function createDeal(
  emulator: Pick<RunningEmulator, 'control'>,
  dealname: string,
): Promise<string> {
  const { body } = await emulator.control('POST', '/objects/deals', {
    properties: { dealname, dealstage: 'qualifiedtobuy', pipeline: 'default' },
  });
  return body.id as string;
}
