import { createTestDatabase } from './database.ts';

test('a test database is a real server with logical WAL', async () => {
  await using db = await createTestDatabase('create table t (id int primary key)');
  expect(await db.query('show wal_level')).toEqual([{ wal_level: 'logical' }]);
  expect(await db.query('select count(*)::int as n from t')).toEqual([{ n: 0 }]);
});
