-- Up Migration

-- HubSpot takes keys that differ by case or by outer blanks for one. This finds the candidates, a few
-- too many; keys never change, so that the index costs nothing when a record does.
create index record_twin on record (object_type, lower(regexp_replace(key collate "C", '[^!-~]', '', 'g')));
