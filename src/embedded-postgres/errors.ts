/**
 * The embedded PostgreSQL could not be started or used. The message states the problem and what to do. It is for
 * the operator: it contains paths of this machine, but never the password.
 */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** Messages of PostgreSQL's programs (in English: they run with LC_ALL=C), and what to do about each. */
const knownMessages: readonly [message: RegExp, advice: string][] = [
  [
    /bogus data in lock file|lock file ".*" is empty/i,
    'The file postmaster.pid in its data is damaged: make sure that no PostgreSQL uses that folder, delete the file, and start again.',
  ],
  [
    /No space left on device|Disk quota exceeded|Check free disk space/i,
    'The disk is full: free some space, then start again.',
  ],
  [
    /initialized by PostgreSQL version|incompatible with server/i,
    'The data was written by another major version of PostgreSQL: start the version of Likeness that wrote it, dump the database, and restore it into a new DATA_DIR.',
  ],
  [
    /Permission denied|Read-only file system|wrong ownership|Operation not permitted/i,
    'The folder belongs to another user or cannot be written: start Likeness as its owner, change the owner with chown -R, or set DATA_DIR to another folder.',
  ],
  [
    /error while loading shared libraries|cannot open shared object|Library not loaded/i,
    'Its libraries are incomplete: run npm ci again, or set DATABASE_URL to another PostgreSQL.',
  ],
  [
    /could not create shared memory|could not map anonymous shared memory|Cannot allocate memory/i,
    'There is too little memory: free some, or set DATABASE_URL to another PostgreSQL.',
  ],
];

/** Maximum length of the quoted output of a program, in characters. */
const quotedLength = 600;

/** An error that quotes the end of a program's output and adds advice for known messages. */
export function explain(what: string, output: string): EmbeddedPostgresError {
  const advice =
    knownMessages.find(([message]) => message.test(output))?.[1] ??
    'Set DATABASE_URL to use another PostgreSQL.';
  const quoted = output.trim().slice(-quotedLength);
  return new EmbeddedPostgresError(`${what}. ${advice}${quoted === '' ? '' : `\nOutput: ${quoted}`}`);
}

/** The error of a file operation, with advice if the cause is a permission or the disk. */
export function explainFileError(what: string, error: unknown): EmbeddedPostgresError {
  return explain(what, error instanceof Error ? error.message : String(error));
}
