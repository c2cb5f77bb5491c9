import { loadConfig } from '../../shared/service/config.ts';
import { SyncError } from '../../shared/service/errors.ts';
import { createLogger } from '../../shared/service/logger.ts';
import { startLoop } from '../../shared/service/loop.ts';
import { eventually } from '../support/eventually.ts';

const log = createLogger(loadConfig({ env: { LOG_LEVEL: 'silent' } }));

test('a loop that found nothing waits until it is woken', async () => {
  let rounds = 0;
  const loop = startLoop({ name: 'test', log, idleMs: 3_600_000 }, async () => {
    rounds += 1;
    return false;
  });
  await eventually(() => rounds === 1);
  loop.wake();
  await eventually(() => rounds === 2);
  await loop.stop();
});

test('a wake while a round is under way is not lost', async () => {
  let rounds = 0;
  const loop = startLoop({ name: 'test', log, idleMs: 3_600_000 }, async () => {
    rounds += 1;
    if (rounds === 1) loop.wake();
    return false;
  });
  await eventually(() => rounds === 2);
  await loop.stop();
});

test('a passing failure is tried again, one that stops rejects the promise', async () => {
  let rounds = 0;
  const loop = startLoop({ name: 'test', log, idleMs: 1 }, async () => {
    rounds += 1;
    if (rounds === 1) throw new Error('passing');
    throw new SyncError('LEASE_LOST', 'gone', { disposition: 'stop', advice: '' });
  });
  await expect(loop.promise).rejects.toThrow('gone');
  expect(rounds).toBe(2);
});

test('stopping lets the round that is under way end', async () => {
  let ended = false;
  let begun = false;
  const loop = startLoop({ name: 'test', log, idleMs: 1 }, async (signal) => {
    begun = true;
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => setImmediate(resolve));
    });
    ended = true;
    return false;
  });
  await eventually(() => begun);
  await loop.stop();
  expect(ended).toBe(true);
});
