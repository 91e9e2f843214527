/** Messages for errors of PostgreSQL and the network, by code. */
const messages: Readonly<Record<string, string>> = {
  '42P01': 'The database schema has a different version. Start this version of the gateway once.',
  '42703': 'The database schema has a different version. Start this version of the gateway once.',
  ECONNREFUSED: 'The database cannot be reached. Check DATABASE_URL, or start the database.',
  ENOTFOUND: 'The database cannot be reached. Check DATABASE_URL.',
  SERVICE_UNAVAILABLE: 'The database is unavailable. Retry in a few seconds.',
};

/** The message of an error for the user of a command. */
export function messageOf(error: unknown): string {
  const code = String((error as { code?: unknown }).code);
  const known = Object.hasOwn(messages, code) ? messages[code] : undefined;
  return known ?? (error instanceof Error ? error.message : 'Non-Error value thrown.');
}
