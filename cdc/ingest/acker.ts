/**
 * What may be confirmed to the server, exactly: the one rule of the product that can lose data. A
 * confirmed position is where the server resumes; whatever lies before it is never sent again.
 *
 * The library reports the position it is given plus one. A transaction may begin at the very byte
 * where the one before it ended, and the server skips what begins before the confirmed position: so
 * every position, of commits and of keepalives alike, is reduced by one before it goes in.
 */
import { formatLsn, type Lsn } from '../../shared/postgres/lsn.ts';

/** The library's call: `ping` asks the server to answer at once. */
export type Acknowledge = (lsn: string, ping: boolean) => void;

export interface Acker {
  /** Counts a message that arrived, in the order of arrival. */
  received(): void;
  /** Counts a message that was dealt with, after `pending` was set for it. */
  handled(): void;
  /** True from the moment something is known that isn't durable: an open transaction, gathered work. */
  setUnstored(unstored: boolean): void;
  /** Everything before this position is durable, and that it will be confirmed is stored. */
  stored(lsn: Lsn): void;
  /**
   * Judges a keepalive's position, inside its event and never later: what the server has sent stands
   * before it, so it is durable exactly when nothing that was sent is still to be handled or stored.
   * True: once it is stored that it will be confirmed, it may be (`stored`).
   */
  isPassed(): boolean;
  /** Tells the server that we live; confirms nothing new. */
  keepAlive(): void;
  readonly confirmed: Lsn;
}

/**
 * @param start the position from which the slot will send; it counts as confirmed.
 */
export function createAcker(acknowledge: Acknowledge, start: Lsn): Acker {
  let received = 0n;
  let handled = 0n;
  let unstored = false;
  let durable = start;

  const report = (ping: boolean) => {
    // Nothing was ever confirmed: there is no position to report, and no smaller one than 0/0.
    if (durable === 0n) return;
    acknowledge(formatLsn(durable - 1n), ping);
  };
  return {
    received() {
      received += 1n;
    },
    handled() {
      handled += 1n;
    },
    setUnstored(value) {
      unstored = value;
    },
    stored(lsn) {
      // Never backwards: older servers take a smaller position as the slot's new one.
      if (lsn <= durable) return;
      durable = lsn;
      report(false);
    },
    isPassed() {
      return received === handled && !unstored;
    },
    keepAlive() {
      report(true);
    },
    get confirmed() {
      return durable;
    },
  };
}
