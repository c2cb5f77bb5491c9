// Which scopes a call needs, so that a test can take one away and see the 403 that HubSpot gives.
import { randomUUID } from 'node:crypto';
import type { DescribedPath } from './paths.ts';

/** Each entry is a set of alternatives, one of which the app must have. */
export function requiredScopes(method: string, path: DescribedPath): string[][] {
  const reads = method === 'GET' || path.search || path.sent.endsWith('/batch/read');
  const right = reads ? 'read' : 'write';
  const [type = ''] = path.types;
  switch (path.family) {
    case 'objects':
      return path.types.map((named) => [`crm.objects.${scopeName(named)}.${right}`]);
    case 'associations':
      return path.types.map((named) => [`crm.objects.${scopeName(named)}.${right}`]);
    case 'properties':
    case 'pipelines':
      return reads
        ? [[`crm.schemas.${scopeName(type)}.read`, `crm.objects.${scopeName(type)}.read`]]
        : [[`crm.schemas.${scopeName(type)}.write`]];
    case 'schemas':
      return [[`crm.schemas.custom.${right}`]];
    case 'owners':
      return [['crm.objects.owners.read']];
    default:
      return [];
  }
}

/** The 403 body for an app that lacks what the call needs; undefined when it lacks nothing. */
export function refuseMissingScopes(
  method: string,
  path: DescribedPath,
  missingScopes: string,
): Record<string, unknown> | undefined {
  if (missingScopes === '') return undefined;
  const missing = new Set(missingScopes.split(',').map((scope) => scope.trim()));
  const refused = requiredScopes(method, path).find((alternatives) =>
    alternatives.every((scope) => missing.has(scope)),
  );
  if (refused === undefined) return undefined;
  const link = 'https://developers.hubspot.com/scopes';
  return {
    status: 'error',
    message: `This app hasn't been granted all required scopes to make this call. Read more about required scopes here: ${link}.`,
    correlationId: randomUUID(),
    errors: [
      {
        message: 'One or more of the following scopes are required.',
        context: { requiredGranularScopes: refused },
      },
    ],
    links: { scopes: link },
    category: 'MISSING_SCOPES',
  };
}

function scopeName(type: string): string {
  return type.startsWith('2-') ? 'custom' : type;
}
