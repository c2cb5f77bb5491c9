-- The reference application's tables, as its own migrations would make them: plain SQL, nothing of the
-- sync in them. Rows that came from HubSpot have the id hs_<HubSpot id>; rows born here have others.

create table clients (
  id text primary key,
  name text not null,
  arr numeric(14, 2),
  phase text,
  industry text,
  region text,
  owner_id text,
  created_at timestamptz not null default now()
);

create table contacts (
  id text primary key,
  client_id text references clients (id) on delete set null,
  first_name text,
  last_name text,
  email text,
  role text,
  phone text,
  created_at timestamptz not null default now()
);
create index contacts_client_id on contacts (client_id);

create table opportunities (
  id text primary key,
  client_id text references clients (id) on delete set null,
  name text not null,
  amount numeric(14, 2),
  stage text,
  close_date date,
  probability numeric(5, 4),
  owner_id text,
  next_step text,
  created_at timestamptz not null default now()
);
create index opportunities_client_id on opportunities (client_id);
