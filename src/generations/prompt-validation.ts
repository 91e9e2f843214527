import { DomainError } from '../core/errors';
import { checkAll, ProblemCollector } from '../core/input-problems';
import type { ProviderFacts } from '../upstream/provider';
import type { PromptRow } from './generation.entity';

/** The maximum number of prompts of a generation, and the maximum length of their texts in characters. */
export const promptRules = { maxPrompts: 20, maxLength: 1_000 } as const;

const { maxPrompts, maxLength: maxPromptLength } = promptRules;

/** Characters that PostgreSQL's JSON cannot store: NUL and unpaired surrogates. */
const unstorable = /[\0\p{Surrogate}]/u;

/** The fields of a request for a generation without training. */
interface InstantForm {
  readonly prompt: string;
  readonly negativePrompt: string | null;
  readonly count: number;
}

/** A prompt as sent by the client: without a style it has the default style of the provider. */
export type GivenPrompt = Omit<PromptRow, 'style'> & { style: string | null };

/**
 * Checks prompts against the limits of the provider.
 * @returns the prompts with their styles
 */
export function checkPrompts(prompts: readonly GivenPrompt[], facts: ProviderFacts): PromptRow[] {
  if (prompts.length < 1 || prompts.length > maxPrompts) {
    throw invalid('input.prompts', `Send 1 to ${maxPrompts} prompts; ${prompts.length} were given.`);
  }
  const problems = new ProblemCollector();
  const styled = prompts.map((prompt, index) => {
    const field = `input.prompts[${index}]`;
    const style = problems.check(() => styleOf(prompt, `${field}.style`, facts));
    problems.check(() => checkText(prompt.prompt, `${field}.prompt`));
    problems.check(() => checkCount(prompt.count, `${field}.count`, facts));
    return { ...prompt, style: style! };
  });
  problems.check(() => checkTotal(prompts, facts));
  problems.throwIfAny();
  return styled;
}

function styleOf({ style }: GivenPrompt, field: string, { styles, defaultStyle }: ProviderFacts): string {
  const chosen = style ?? defaultStyle;
  if (chosen !== null && styles.some(({ id }) => id === chosen)) return chosen;
  const problem = chosen === null ? 'Choose a style.' : 'Unknown style.';
  throw invalid(field, `${problem} The styles are ${styles.map(({ id }) => id).join(', ')}.`);
}

function checkTotal(prompts: readonly Pick<PromptRow, 'count'>[], { maxAvatars }: ProviderFacts): void {
  // A count that is too large by itself is a problem of its own.
  if (prompts.some(({ count }) => count > maxAvatars)) return;
  const wanted = countAvatars(prompts);
  if (wanted <= maxAvatars) return;
  throw invalid(
    'input.prompts',
    `The prompts request ${wanted} avatars; a generation makes at most ${maxAvatars}.`,
  );
}

/** The total number of avatars. */
export function countAvatars(prompts: readonly Pick<PromptRow, 'count'>[]): number {
  return prompts.reduce((sum, { count }) => sum + count, 0);
}

/** Checks the fields of a request for a generation without training. */
export function checkInstantForm(request: InstantForm, facts: ProviderFacts): void {
  if (!facts.instant)
    throw invalid(
      'input',
      'The configured provider does not support avatars without training. Use trainModel.',
    );
  checkAll(
    () => checkText(request.prompt, 'input.prompt'),
    () => checkNotBlank(request.prompt, 'input.prompt'),
    () => checkText(request.negativePrompt, 'input.negativePrompt'),
    () => checkCount(request.count, 'input.count', facts),
  );
}

function checkNotBlank(text: string, field: string): void {
  if (text.trim() === '') throw invalid(field, 'Describe what the avatar should look like.');
}

function checkCount(count: number, field: string, { maxAvatars }: ProviderFacts): void {
  if (count < 1 || count > maxAvatars)
    throw invalid(field, `count is ${count}; it must be from 1 to ${maxAvatars}.`);
}

function checkText(text: string | null, field: string): void {
  if (text !== null && unstorable.test(text)) {
    throw invalid(field, 'The text contains a null character or an unpaired surrogate. Remove it.');
  }
  if (text !== null && text.length > maxPromptLength) {
    throw invalid(field, `The text has ${text.length} characters; the maximum is ${maxPromptLength}.`);
  }
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field });
}
