// The account: its id and zone, and how much of the day's budget is used.
import type { Router } from 'express';
import type { CrmContext } from '../crm/context.ts';
import { route } from './answer.ts';
import { DATED_VERSIONS } from './versions.ts';

/** `resetsAt` is epoch milliseconds. */
export type DailyUsage = { used: number; limit: number; resetsAt: number };

export function addAccountRoutes(
  router: Router,
  crm: CrmContext,
  dailyUsage: () => DailyUsage,
): void {
  for (const version of ['v3', ...DATED_VERSIONS]) {
    router.get(
      `/account-info/${version}/details`,
      route(crm, () => ({ status: 200, body: describeAccount(crm) })),
    );
    router.get(
      `/account-info/${version}/api-usage/daily/private-apps`,
      route(crm, () => ({ status: 200, body: { results: [describeUsage(crm, dailyUsage())] } })),
    );
  }
}

function describeAccount(crm: CrmContext) {
  const timeZone = crm.behaviour.portalTimeZone;
  const offsetMs = offsetOf(timeZone, crm.now());
  const minutes = Math.abs(offsetMs) / 60_000;
  const pad = (number: number): string => String(Math.floor(number)).padStart(2, '0');
  return {
    portalId: crm.portalId,
    accountType: 'DEVELOPER_TEST',
    timeZone,
    companyCurrency: 'USD',
    additionalCurrencies: [],
    utcOffset: `${offsetMs < 0 ? '-' : '+'}${pad(minutes / 60)}:${pad(minutes % 60)}`,
    utcOffsetMilliseconds: offsetMs,
    uiDomain: 'app.hubspot.com',
    dataHostingLocation: 'na1',
  };
}

function describeUsage(crm: CrmContext, { used, limit, resetsAt }: DailyUsage) {
  return {
    name: 'private-apps-api-calls-daily',
    usageLimit: limit,
    currentUsage: used,
    collectedAt: new Date(crm.now()).toISOString(),
    fetchStatus: 'SUCCESS',
    resetsAt: new Date(resetsAt).toISOString(),
  };
}

/** Milliseconds that the zone is ahead of UTC at this moment. */
function offsetOf(timeZone: string, at: number): number {
  const text = new Date(at).toLocaleString('sv-SE', { timeZone });
  return Date.parse(`${text.replace(' ', 'T')}Z`) - Math.floor(at / 1000) * 1000;
}
