-- The tables of the sync, all in its own schema: user tables get no column and no trigger.
-- Forward only. Unqualified names: the migration runs with search_path set to the sync's schema.

-- Up Migration

create table checkpoint (
  slot text primary key,
  system_identifier text not null,
  -- Everything up to here is durable in the outbox: a transaction at or below it is skipped when streamed again.
  commit_lsn pg_lsn not null default '0/0',
  -- Changes of the transaction after commit_lsn that are stored already (a large one is flushed in parts).
  partial_lsn pg_lsn,
  partial_ordinal bigint not null default 0,
  -- The highest position confirmed to the server: a slot beyond it was moved by somebody else.
  confirmed_lsn pg_lsn not null default '0/0',
  -- oid and xmin of the publication and of its tables: any difference is a gap.
  publication jsonb,
  updated_at timestamptz not null default now()
);
comment on table checkpoint is 'How far the WAL is stored, one row per replication slot';

create table record (
  object_type text not null,
  key text not null,
  hubspot_id text,
  -- RecordState of shared/protocol/state.ts; read and written by that code only.
  state jsonb not null,
  -- Text of the mapped columns as consumed last, by column; a missing column is unknown; null: no row.
  image jsonb,
  doubt_since timestamptz,
  call_since timestamptz,
  -- A comparison of the row with HubSpot's known values is due: cleared by the message that makes it.
  compare_since timestamptz,
  last_lsn pg_lsn,
  last_synced_at timestamptz,
  sync_error text,
  created_at timestamptz not null default now(),
  primary key (object_type, key)
) with (fillfactor = 70);
create unique index record_hubspot_id on record (object_type, hubspot_id) where hubspot_id is not null;
create index record_doubt on record (doubt_since) where doubt_since is not null;
create index record_call on record (call_since) where call_since is not null;
create index record_compare on record (compare_since) where compare_since is not null;
comment on table record is 'What is known of each record: link, known values, clocks, ledger';

create table outbox (
  object_type text not null,
  key text not null,
  -- What waits for the record as a whole; null: only properties wait.
  operation text check (operation in ('write', 'delete')),
  -- By property: { seq, cause }; the value is the record's image.
  pending jsonb not null default '{}',
  first_lsn pg_lsn not null,
  last_lsn pg_lsn not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  due_at timestamptz not null,
  attempts int not null default 0,
  error text,
  primary key (object_type, key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
comment on table outbox is 'Records with something to send, one row each, gone once delivered';

create table hubspot_id (
  object_type text not null,
  hubspot_id text not null,
  -- The row it belongs to or belonged to; null for an id of no known row.
  key text,
  -- Known dead as of this bracket of HubSpot time, in milliseconds.
  dead_low bigint,
  dead_high bigint,
  -- A creation or change of an id without a row was announced: to be read and judged.
  wanted_at timestamptz,
  attempts int not null default 0,
  error text,
  primary key (object_type, hubspot_id)
);
create index hubspot_id_key on hubspot_id (object_type, key) where key is not null;
create index hubspot_id_wanted on hubspot_id (wanted_at) where wanted_at is not null;
comment on table hubspot_id is 'Every HubSpot id ever met: links, retired ids, tombstones, creations to be fetched';

create table inbox (
  id bigint generated always as identity primary key,
  -- sha256 over what makes an event the same event; never the attempt number.
  identity bytea not null unique,
  subscription_type text not null,
  object_type text,
  object_id text,
  occurred_at timestamptz not null,
  received_at timestamptz not null default now(),
  -- json, not jsonb: a payload may hold \u0000.
  payload json not null,
  state text not null default 'new' check (state in ('new', 'done', 'dead')),
  outcome text,
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  error text,
  settled_at timestamptz
);
create index inbox_new on inbox (occurred_at, id) where state = 'new';
create index inbox_settled on inbox (settled_at) where state <> 'new';
comment on table inbox is 'Webhook events as received, each once';

create table dead_letter (
  id bigint generated always as identity primary key,
  direction text not null check (direction in ('outbound', 'inbound')),
  object_type text not null,
  key text,
  hubspot_id text,
  code text not null,
  message text not null,
  advice text not null,
  correlation_id text,
  payload json,
  state text not null default 'open' check (state in ('open', 'retried', 'discarded', 'cured')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index dead_letter_record on dead_letter (object_type, key);
create index dead_letter_open on dead_letter (created_at) where state = 'open';
comment on table dead_letter is 'Writes that were refused, with the reason and what to do';

create table conflict (
  id bigint generated always as identity primary key,
  object_type text not null,
  key text not null,
  hubspot_id text,
  property text not null,
  postgres_value text,
  hubspot_value text,
  winner text not null check (winner in ('hubspot', 'postgres')),
  rule text not null,
  created_at timestamptz not null default now()
);
create index conflict_record on conflict (object_type, key);
comment on table conflict is 'Both sides changed one property: both values, and which stands';

create table sync_log (
  id bigint generated always as identity primary key,
  object_type text not null,
  object_id text not null,
  direction text not null check (direction in ('outbound', 'inbound')),
  status text not null check (status in ('success', 'error', 'conflict', 'stale', 'held', 'skipped')),
  message text,
  error_details jsonb,
  metadata jsonb,
  created_at timestamptz not null default now(),
  completed_at timestamptz not null default now()
);
create index sync_log_object on sync_log (object_type, object_id, completed_at);
create index sync_log_completed on sync_log (completed_at);
alter table sync_log enable row level security;
comment on table sync_log is 'One row per record operation, written at its end';

create table control (
  direction text primary key check (direction in ('outbound', 'inbound')),
  state text not null default 'running' check (state in ('running', 'paused')),
  changed_by text,
  since timestamptz not null default now()
);
insert into control (direction) values ('outbound'), ('inbound');
comment on table control is 'Running or paused, per direction';

create table lease (
  name text primary key,
  term bigint not null,
  holder text not null,
  -- The holder's session, so that a killed holder is noticed before its time runs out.
  backend_pid int,
  backend_start timestamptz,
  expires_at timestamptz not null
);
comment on table lease is 'Who streams and calls HubSpot; the term fences everybody before';

create table job (
  id bigint generated always as identity primary key,
  kind text not null,
  arguments jsonb not null default '{}',
  state text not null default 'new' check (state in ('new', 'running', 'done', 'failed')),
  progress jsonb,
  result jsonb,
  error text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
);
create index job_new on job (id) where state in ('new', 'running');
comment on table job is 'Work that commands hand to the process that holds the lease';

create table secret (
  name text primary key,
  value bytea not null,
  created_at timestamptz not null default now()
);
comment on table secret is 'Keys made by init: the one that signs marks';
revoke all on secret from public;
