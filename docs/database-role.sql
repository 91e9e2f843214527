-- A role that can run the gateway with MIGRATE=false, and no more: it reads and writes rows, and changes no table.
-- Run this once, in the gateway's database, as the role that owns the tables and runs `npm run likeness -- migrate`.
CREATE ROLE likeness_gateway LOGIN PASSWORD 'CHANGE-ME'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO likeness_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO likeness_gateway;

-- Tables that later migrations make, as long as this same role runs them.
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO likeness_gateway;

-- Which migrations have run is for those who run them.
REVOKE INSERT, UPDATE, DELETE ON migrations FROM likeness_gateway;
