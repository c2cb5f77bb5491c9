import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../emulator/journal.ts';

async function withFolder(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'journal-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('the journal', () => {
  test('gives back at the next opening what was set and not deleted, in order', () =>
    withFolder((folder) => {
      const first = openJournal(folder);
      const records = first.map<{ n: number }>('record');
      records.set('b', { n: 1 });
      records.set('a', { n: 2 });
      records.set('gone', { n: 3 });
      records.delete('gone');
      records.set('b', { n: 4 });
      first.map<string>('other').set('a', 'text');
      // Not closed, as after a kill.

      const second = openJournal(folder);
      expect([...second.map('record').entries()]).toEqual([
        ['b', { n: 4 }],
        ['a', { n: 2 }],
      ]);
      expect(second.map('other').get('a')).toBe('text');
      first.close();
      second.close();
    }));

  test('ignores a last line that was cut by a kill, and keeps all before it', () =>
    withFolder(async (folder) => {
      const first = openJournal(folder);
      first.map('record').set('a', 1);
      first.close();
      await appendFile(join(folder, 'emulator.jsonl'), '[["record","b",2],["rec');

      const second = openJournal(folder);
      expect([...second.map('record').entries()]).toEqual([['a', 1]]);
      second.map('record').set('c', 3);
      second.close();
      const third = openJournal(folder);
      expect([...third.map('record').keys()]).toEqual(['a', 'c']);
      third.close();
    }));

  test('appends changes made together as one line', () =>
    withFolder(async (folder) => {
      const journal = openJournal(folder);
      journal.together(() => {
        journal.map('record').set('a', 1);
        journal.together(() => journal.map('event').set('b', 2));
        journal.map('record').delete('a');
      });
      journal.close();
      const lines = (await readFile(join(folder, 'emulator.jsonl'), 'utf8')).trim().split('\n');
      expect(lines).toEqual(['[["record","a",1],["event","b",2],["record","a"]]']);
    }));

  test('keeps what was changed before an exception, as memory does', () =>
    withFolder((folder) => {
      const first = openJournal(folder);
      expect(() =>
        first.together(() => {
          first.map('record').set('a', 1);
          throw new Error('refused');
        }),
      ).toThrow('refused');
      first.close();
      const second = openJournal(folder);
      expect(second.map('record').get('a')).toBe(1);
      second.close();
    }));

  test('is compacted when opened', () =>
    withFolder(async (folder) => {
      const first = openJournal(folder);
      for (let n = 0; n < 1000; n += 1) first.map('record').set('a', n);
      first.close();
      openJournal(folder).close();
      expect(await readFile(join(folder, 'emulator.jsonl'), 'utf8')).toBe('[["record","a",999]]\n');
    }));

  test('forgets everything when cleared, also for the next opening', () =>
    withFolder((folder) => {
      const first = openJournal(folder);
      const records = first.map('record');
      records.set('a', 1);
      first.clear();
      expect(records.size).toBe(0);
      records.set('b', 2);
      first.close();
      const second = openJournal(folder);
      expect([...second.map('record').keys()]).toEqual(['b']);
      second.close();
    }));

  test('lives in memory alone without a folder', () => {
    const journal = openJournal(undefined);
    journal.map('record').set('a', 1);
    expect(journal.map('record').get('a')).toBe(1);
    journal.clear();
    expect(journal.map('record').size).toBe(0);
    journal.close();
  });
});
