// Failures on command: which request is to fail, how often, and in what way. server.ts asks for each
// request that passed token and limits; carry-out.ts does what the fault says.
import { z } from 'zod';
import type { Journal } from './journal.ts';
import { type DescribedPath, describePath, type NameType } from './paths.ts';

/** What `POST /_emulator/faults` takes. */
export const faultInput = z.strictObject({
  /** `<METHOD> <path>`: `*` is one segment or any method, `**` any number of segments. */
  match: z
    .string()
    .regex(
      /^(\*|[A-Za-z]+) \/\S*$/,
      'must be "<METHOD> <path>", for example "POST /crm/v3/objects/**"',
    ),
  /** How many requests it hits; 0: every one until cleared. */
  times: z.number().int().min(0).default(1),
  /** Answered instead of the true answer. Alone, nothing is carried out. */
  status: z.number().int().min(200).max(599).optional(),
  body: z.unknown().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  /** The request is carried out, or its fault answered, this much later. */
  delayMs: z.number().int().min(0).optional(),
  /**
   * `before`: the connection is cut and nothing written. `after`: written, then cut.
   * With `status` that status is answered in place of the cut.
   */
  drop: z.enum(['before', 'after']).optional(),
  /** The connection is cut at once (or `status` answered) and the request carried out this much later. */
  lateMs: z.number().int().min(0).optional(),
});

export type Fault = z.infer<typeof faultInput> & {
  id: number;
  /** Hits left; null when it stays until cleared. */
  remaining: number | null;
  hits: number;
};

export type Faults = {
  add(input: z.infer<typeof faultInput>): Fault;
  /** Those that can still hit, oldest first. */
  list(): Fault[];
  clear(): void;
  /** The oldest fault that this request meets, counted as hit. */
  take(method: string, path: DescribedPath): Fault | undefined;
};

export function createFaults(journal: Journal, nameType: NameType): Faults {
  const faults = journal.map<Fault>('fault');
  let lastId = Math.max(0, ...[...faults.values()].map((fault) => fault.id));
  return {
    add(input) {
      lastId += 1;
      const remaining = input.times === 0 ? null : input.times;
      const fault = { ...input, id: lastId, remaining, hits: 0 };
      faults.set(String(lastId), fault);
      return fault;
    },
    list: () => [...faults.values()],
    clear() {
      for (const key of [...faults.keys()]) faults.delete(key);
    },
    take(method, path) {
      for (const fault of faults.values()) {
        if (!matches(fault.match, method, path, nameType)) continue;
        fault.hits += 1;
        if (fault.remaining !== null) fault.remaining -= 1;
        if (fault.remaining === 0) faults.delete(String(fault.id));
        else faults.set(String(fault.id), fault);
        return fault;
      }
      return undefined;
    },
  };
}

/** A fault may name a type by name or id, whichever the request uses; `:id` stands for one segment. */
function matches(match: string, method: string, path: DescribedPath, nameType: NameType): boolean {
  const [wantedMethod = '*', wantedPath = ''] = match.split(' ');
  if (wantedMethod !== '*' && wantedMethod.toUpperCase() !== method) return false;
  const plain = wantedPath.split('?')[0] ?? '';
  const patterns = [plain, describePath(plain, nameType).named].map(compilePattern);
  return patterns.some((pattern) => pattern.test(path.sent) || pattern.test(path.named));
}

const compiled = new Map<string, RegExp>();

function compilePattern(path: string): RegExp {
  const known = compiled.get(path);
  if (known) return known;
  const source = path
    .split('/')
    .slice(1)
    .map((segment) => {
      if (segment === '**') return '(?:/[^/]+)*';
      if (segment === '*' || segment === ':id') return '/[^/]+';
      return `/${segment.split('*').map(escapeRegExp).join('[^/]*')}`;
    })
    .join('');
  const pattern = new RegExp(`^${source}/?$`);
  compiled.set(path, pattern);
  return pattern;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
