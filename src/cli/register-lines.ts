import { z } from 'zod';
import { readGlobalId } from '../core/ids';
import { providerNames } from '../setting-notations';
import { CommandError } from './shell';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 hexadecimal digits');
const shortText = (max: number): z.ZodString =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .regex(/^\P{Cc}*$/u, 'must not have control characters');

const line = z.strictObject({
  kind: z.literal('model', 'must be "model"'),
  /** A new one, if left out. */
  id: z
    .string()
    .refine(
      (id) => readGlobalId(id)?.kind === 'AvatarModel',
      'must be the global id of a model (model_0192…), or be left out',
    )
    .optional(),
  /** A user of an API key's owner is `@<owner>/<user>`, each of at most 255 characters. */
  owner: shortText(512),
  provider: z.enum(providerNames, 'must be "picsart" or "sandbox"'),
  /** The id of the model at the avatar service. */
  providerRef: shortText(255),
  status: z.enum(['READY', 'TRAINING'], 'must be "READY" or "TRAINING"').default('READY'),
  type: z.enum(['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'], 'must be MAN, WOMAN, COUPLE, DOG or CAT'),
  /** As the API accepts it. */
  name: z.string().trim().min(1, 'must not be empty').max(100, 'must have at most 100 characters'),
  photoCount: z.int('must be a whole number').min(1).max(30),
  createdAt: z.iso.datetime('must be a time, such as 2026-11-27T12:00:00Z').optional(),
  readyAt: z.iso.datetime('must be a time, such as 2026-11-27T12:00:00Z').nullish(),
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

/** Maximum number of problems that one error names. */
const maxProblems = 20;

/** Collects problems of lines, so that one error names them all. */
export class LineProblems {
  private readonly found: string[] = [];

  add(number: number, problem: string): void {
    this.found.push(`line ${number}: ${problem}`);
  }

  /** @throws CommandError if there are problems */
  throwIfAny(): void {
    if (this.found.length === 0) return;
    const rest = this.found.length - maxProblems;
    const shown = this.found.slice(0, maxProblems).concat(rest > 0 ? [`and ${rest} more`] : []);
    throw new CommandError(
      `Nothing was imported. Correct these lines and import the file again:\n${shown.map((text) => `  ${text}`).join('\n')}`,
    );
  }
}

/** Reads the lines of a register, each a JSON object; empty lines are skipped. Lines that name the same model twice are problems. */
export function readRegister(text: string, problems: LineProblems): NumberedLine[] {
  const lines: NumberedLine[] = [];
  const seen = new Map<string, number>();
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue;
    const number = index + 1;
    const model = readLine(content, number, problems);
    if (!model) continue;
    for (const key of [
      `${model.provider} ${model.providerRef}`,
      ...(model.id === undefined ? [] : [model.id]),
    ]) {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, number);
      else problems.add(number, `names the same model as line ${first}. Remove one of them.`);
    }
    lines.push({ number, model });
  }
  return lines;
}

function readLine(content: string, number: number, problems: LineProblems): RegisterLine | null {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    problems.add(number, 'is not a JSON object on one line.');
    return null;
  }
  const parsed = line.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues)
    problems.add(number, `${path.join('.') || 'the line'} ${message}`);
  return null;
}
