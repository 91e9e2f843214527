/**
 * The embedded PostgreSQL could not be started or used. The message says what happened and what to do about it; it
 * is meant for the operator, names folders of this machine and never holds the password.
 */
export class EmbeddedPostgresError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EmbeddedPostgresError';
  }
}

/** What PostgreSQL's programs say (in English: they run with LC_ALL=C), and what a person can do about it. */
const cures: readonly [said: RegExp, cure: string][] = [
  [
    /bogus data in lock file|lock file ".*" is empty/i,
    'The file postmaster.pid in its data is damaged: make sure that no PostgreSQL works in that folder, delete the file, and start again.',
  ],
  [
    /No space left on device|Disk quota exceeded|Check free disk space/i,
    'The disk is full: make room, then start again.',
  ],
  [
    /initialized by PostgreSQL version|incompatible with server/i,
    'The data was written by another major version of PostgreSQL: start the version of Likeness that wrote it, dump the database, and restore it into a new DATA_DIR.',
  ],
  [
    /Permission denied|Read-only file system|wrong ownership|Operation not permitted/i,
    'The folder belongs to another user or cannot be written: start Likeness as its owner, give it to this user with chown -R, or set DATA_DIR to a folder of your own.',
  ],
  [
    /error while loading shared libraries|cannot open shared object|Library not loaded/i,
    'Its libraries are incomplete: run npm ci again, or set DATABASE_URL to a PostgreSQL of your own.',
  ],
  [
    /could not create shared memory|could not map anonymous shared memory|Cannot allocate memory/i,
    'There is too little memory: free some, or set DATABASE_URL to a PostgreSQL of your own.',
  ],
];

/** The most of a program's output that goes into a message, in characters. */
const quotedLength = 600;

/** An error that quotes the end of what a program printed and adds the cure where one is known. */
export function explain(what: string, output: string): EmbeddedPostgresError {
  const cure =
    cures.find(([said]) => said.test(output))?.[1] ?? 'Set DATABASE_URL to use a PostgreSQL of your own.';
  const said = output.trim().slice(-quotedLength);
  return new EmbeddedPostgresError(`${what}. ${cure}${said === '' ? '' : `\nIt said: ${said}`}`);
}

/** The error of a file operation, with the cure where the cause is a permission or the disk. */
export function explainFileError(what: string, error: unknown): EmbeddedPostgresError {
  return explain(what, error instanceof Error ? error.message : String(error));
}

/** The code of a system call's error (`ENOENT`) or of a PostgreSQL error (`28P01`). */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
