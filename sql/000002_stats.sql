-- Numbers for people and monitors, as functions: per object type, and in one row for the reference
-- application. Not breaking.

-- Up Migration

create function get_object_stats() returns table (
  object_type text,
  linked bigint,
  pending bigint,
  doubts bigint,
  dead_letters bigint,
  errors_24h bigint,
  last_success timestamptz
) language sql stable set search_path from current as $$
  with types as (
    select object_type from record union select object_type from outbox
    union select object_type from dead_letter union select object_type from sync_log
  )
  select t.object_type,
    (select count(*) from record r where r.object_type = t.object_type and r.hubspot_id is not null),
    (select count(*) from outbox o where o.object_type = t.object_type),
    (select count(*) from record r where r.object_type = t.object_type and r.doubt_since is not null),
    (select count(*) from dead_letter d where d.object_type = t.object_type and d.state = 'open'),
    (select count(*) from sync_log l where l.object_type = t.object_type and l.status = 'error'
       and l.completed_at > now() - interval '24 hours'),
    (select max(l.completed_at) from sync_log l where l.object_type = t.object_type
       and l.status = 'success')
  from types t order by t.object_type
$$;
comment on function get_object_stats() is 'Links, what waits, what failed: one row per object type';

create function get_sync_stats() returns table (
  opportunities_pending bigint,
  clients_pending bigint,
  contacts_pending bigint,
  sync_errors_24h bigint,
  last_successful_sync timestamptz
) language sql stable set search_path from current as $$
  select
    (select count(*) from outbox where object_type = 'deals'),
    (select count(*) from outbox where object_type = 'companies'),
    (select count(*) from outbox where object_type = 'contacts'),
    (select count(*) from sync_log where status = 'error'
       and completed_at > now() - interval '24 hours'),
    (select max(completed_at) from sync_log where status = 'success')
$$;
comment on function get_sync_stats() is 'One row for the reference application: what waits, what failed in a day, the last success';
