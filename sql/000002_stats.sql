-- Numbers for people and monitors, one row per object type. The same in one row, with a column per
-- mapped table, is made from the mapping by `init`: get_sync_stats(). Not breaking.

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
