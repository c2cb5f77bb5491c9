/** The app that the demo and the emulator pretend to be; whoever sets variables of their own is another. */
import type { Config } from '../shared/service/config.ts';

export const demoApp = {
  clientSecret: 'demo-client-secret',
  appId: 1_234_567,
  portalId: 12_345_678,
} as const;

export type ConfigWithApp = Config & {
  readonly hubspot: { readonly appId: number; readonly portalId: number };
};

/** Settings with the demo's app where none is set: for the emulator, and for `start` with it. */
export function withDemoCredentials(config: Config): ConfigWithApp {
  const { hubspot } = config;
  return {
    ...config,
    hubspot: {
      ...hubspot,
      clientSecrets:
        hubspot.clientSecrets.length > 0 ? hubspot.clientSecrets : [demoApp.clientSecret],
      appId: hubspot.appId ?? demoApp.appId,
      portalId: hubspot.portalId ?? demoApp.portalId,
    },
  };
}
