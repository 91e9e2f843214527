import { z } from 'zod';

const entryLine = z.object({
  table: z.enum(['models', 'generations']),
  id: z.string(),
  attempt: z.number(),
  provider: z.string(),
  /** Earlier versions do not write it. */
  account: z.string().optional(),
  ref: z.string(),
  correlationId: z.string().optional(),
  creditsAvailable: z.number().optional(),
  httpStatus: z.number().optional(),
  durationMs: z.number().optional(),
});

/** The id that the upstream returned for an attempt of a job. */
export type JournalEntry = z.infer<typeof entryLine>;

/** Marks an entry as stored: its attempt and its id, which earlier versions do not write. */
const settledMark = z.object({ settled: z.string(), ref: z.string().optional() });

const line = z.union([entryLine, settledMark]);

/** Identifies an entry. A failover may lose an attempt, and another process make it again: both have an id then. */
export function keyOf(entry: JournalEntry): string {
  return keyOfRef(attemptOf(entry), entry.ref);
}

/** The line that marks an entry as stored in the database. */
export function settledLine(entry: JournalEntry): z.infer<typeof settledMark> {
  return { settled: attemptOf(entry), ref: entry.ref };
}

/** The content of a file, in its order: entries, and the keys of those that are settled. Incomplete lines are left out. */
export function* journalLines(text: string): Generator<{ entry: JournalEntry } | { settled: string }> {
  // The last id of each attempt is what a line of an earlier version settles.
  const refs = new Map<string, string>();
  for (const written of text.split('\n')) {
    const read = parsed(written);
    if (read === null) continue;
    if ('settled' in read) {
      yield { settled: keyOfRef(read.settled, read.ref ?? refs.get(read.settled)) };
    } else {
      refs.set(attemptOf(read), read.ref);
      yield { entry: read };
    }
  }
}

function attemptOf({ table, id, attempt }: JournalEntry): string {
  return `${table}/${id}/${attempt}`;
}

function keyOfRef(attempt: string, ref = ''): string {
  return `${attempt} ${ref}`;
}

function parsed(written: string): z.infer<typeof line> | null {
  try {
    return line.safeParse(JSON.parse(written)).data ?? null;
  } catch {
    return null;
  }
}
