import { isDiskFull } from '../core/errors';
import { reasonOf } from '../core/reason';
import { StorageUnavailableError } from '../storage/media-store';

/** The setting whose URL the commands use. */
const url = 'DATABASE_URL (DATABASE_DIRECT_URL, if it is set)';

/** Messages for errors of PostgreSQL and the network, by code. */
const messages: Readonly<Record<string, string>> = {
  '42P01': 'The database schema has a different version. Start this version of the gateway once.',
  '42703': 'The database schema has a different version. Start this version of the gateway once.',
  '28P01': `The database refuses the user or the password of ${url}. Correct them.`,
  '3D000': `There is no database with the name in ${url}. Correct it, or create the database.`,
  ECONNREFUSED: `The database cannot be reached. Check ${url}, or start the database.`,
  ENOTFOUND: `The database cannot be reached. Check ${url}.`,
  EAI_AGAIN: `The database cannot be reached. Check ${url}.`,
  ETIMEDOUT: `The database cannot be reached. Check ${url}.`,
  EHOSTUNREACH: `The database cannot be reached. Check ${url}.`,
  SERVICE_UNAVAILABLE: 'The database is unavailable. Retry in a few seconds.',
};

/** A pooler in transaction mode refuses the time limits of a session, as pgbouncer does unless it ignores them. */
const pooled = `${url} leads to a pooler, such as pgbouncer. Set DATABASE_DIRECT_URL to the URL of PostgreSQL itself.`;

/** The message of an error for the user of a command. */
export function messageOf(error: unknown): string {
  if (isDiskFull(error)) return 'The disk is full. Free space in DATA_DIR, and run the command again.';
  if (error instanceof StorageUnavailableError) {
    return error.cause === undefined ? error.message : `${error.message} (${reasonOf(error.cause)})`;
  }
  const code = String((error as { code?: unknown }).code);
  const known = Object.hasOwn(messages, code) ? messages[code] : undefined;
  if (known !== undefined) return known;
  if (!(error instanceof Error)) return 'Non-Error value thrown.';
  return error.message.startsWith('unsupported startup parameter') ? pooled : error.message;
}
