import { z } from 'zod';
import { problemOfOwner } from '../auth/subjects';
import { durationUnits } from '../core/clock';
import { codeOf } from '../core/errors';
import { readGlobalId } from '../core/ids';
import { providerNames } from '../setting-notations';
import { picsartFacts } from '../upstream/picsart/facts';
import { printable } from './printout';
import { CommandError } from './shell';

/** Of all avatar services. */
const { minPhotos, maxPhotos } = picsartFacts(1, []);

const text = z.string({ error: ({ input }) => (input === undefined ? 'is missing' : 'must be a text') });

/** The id of a job at an avatar service. */
export const providerRef = text
  .min(1, 'must not be empty')
  .max(255, 'must have at most 255 characters')
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not have control characters or halves of characters');

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 hexadecimal digits');

/** As the DateTime of the API, within the time in which there can be models. */
const time = text
  .pipe(z.iso.datetime('must be a time, such as 2026-11-27T12:00:00Z'))
  .refine((at) => isPossible(Date.parse(at)), 'must be a time from the year 2000 until now');

const firstMs = Date.UTC(2000);
const isPossible = (atMs: number): boolean => atMs >= firstMs && atMs <= Date.now() + durationUnits.d;

const photoCountProblem = `must be a whole number from ${minPhotos} to ${maxPhotos}`;

const line = z.strictObject({
  kind: z.literal('model', 'must be "model"'),
  /** A new one, if left out. */
  id: text
    .refine(
      (id) => readGlobalId(id)?.kind === 'AvatarModel',
      'must be the global id of a model (model_0192…), or be left out',
    )
    .optional(),
  owner: text.superRefine((owner, context) => {
    const problem = problemOfOwner(owner);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  }),
  provider: z.enum(providerNames, 'must be "picsart" or "sandbox"'),
  providerRef,
  status: z.enum(['READY', 'TRAINING'], 'must be "READY" or "TRAINING"').default('READY'),
  type: z.enum(['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'], 'must be MAN, WOMAN, COUPLE, DOG or CAT'),
  /** As the API accepts it. */
  name: text
    .trim()
    .min(1, 'must not be empty')
    .max(100, 'must have at most 100 characters')
    .regex(/^[^\0\p{Cs}]*$/u, 'must not have NUL or halves of characters'),
  photoCount: z.int(photoCountProblem).min(minPhotos, photoCountProblem).max(maxPhotos, photoCountProblem),
  createdAt: time.optional(),
  readyAt: time.nullish(),
  /** The SHA-256 of the stored avatars, to recognise their files. They are not imported. */
  avatarHashes: z.array(hash).optional(),
});

/** A line of the register: a model that was paid for. */
export type RegisterLine = z.output<typeof line>;

/** A line with its number, from 1. */
export interface NumberedLine {
  readonly number: number;
  readonly model: RegisterLine;
}

/** Maximum number of problems that one error names, and their maximum length. */
const maxProblems = 20;
const maxProblemLength = 300;

/** Collects problems of lines, so that one error names them all. */
export class LineProblems {
  private readonly named: string[] = [];
  private others = 0;

  /** @param problem - may contain text of the line */
  add(number: number, problem: string): void {
    if (this.named.length === maxProblems) this.others += 1;
    else this.named.push(`  line ${number}: ${printable(problem.slice(0, maxProblemLength))}`);
  }

  /** @throws CommandError if there are problems */
  throwIfAny(): void {
    if (this.named.length === 0) return;
    const shown = this.others > 0 ? [...this.named, `  and ${this.others} more`] : this.named;
    throw new CommandError(
      `Nothing was imported. Correct these lines and import the file again:\n${shown.join('\n')}`,
    );
  }
}

/** The lines of a register, each a JSON object; empty lines are skipped. Lines that name the same model twice are problems. */
export class RegisterLines {
  /** Those without problems. */
  readonly all: NumberedLine[] = [];
  private readonly firsts = new Map<string, number>();

  constructor(private readonly problems: LineProblems) {}

  /** Adds a line of a file in UTF-8. */
  add(number: number, bytes: Buffer): void {
    const model = this.read(number, bytes);
    if (model === null) return;
    const { provider, providerRef, id } = model;
    for (const key of [`${provider} ${providerRef}`, ...(id === undefined ? [] : [id])]) {
      const first = this.firsts.get(key);
      if (first === undefined) this.firsts.set(key, number);
      else this.problems.add(number, `names the same model as line ${first}. Remove one of them.`);
    }
    this.all.push({ number, model });
  }

  private read(number: number, bytes: Buffer): RegisterLine | null {
    let value: unknown;
    try {
      // It skips a byte order mark.
      const content = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      if (content.trim() === '') return null;
      value = JSON.parse(content);
    } catch (error) {
      const isText = codeOf(error) !== 'ERR_ENCODING_INVALID_ENCODED_DATA';
      this.problems.add(
        number,
        isText ? 'is not a JSON object on one line.' : 'is not UTF-8. Save the file in UTF-8.',
      );
      return null;
    }
    const parsed = line.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.problems.add(number, describe(issue));
    return null;
  }
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `has unknown fields: ${issue.keys.join(', ')}. Correct or remove them.`;
  return issue.path.length === 0 ? 'is not a JSON object.' : `${issue.path.join('.')} ${issue.message}`;
}
