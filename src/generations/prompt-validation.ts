import { DomainError } from '../core/errors';
import type { ProviderFacts } from '../upstream/provider';
import type { PromptRow } from './generation.entity';

const maxPrompts = 20;
const maxPromptLength = 1_000;
/** Characters that PostgreSQL's JSON cannot store: NUL and unpaired surrogates. */
const unstorable = /[\0\p{Surrogate}]/u;

/**
 * Checks prompts against the limits of the provider.
 * @returns the total number of avatars
 */
export function checkPrompts(prompts: readonly PromptRow[], facts: ProviderFacts): number {
  if (prompts.length < 1 || prompts.length > maxPrompts) {
    throw invalid('input.prompts', `Send 1 to ${maxPrompts} prompts; ${prompts.length} were given.`);
  }
  prompts.forEach((prompt, index) => {
    const field = `input.prompts[${index}]`;
    if (!facts.styles.some(({ id }) => id === prompt.style)) {
      throw invalid(
        `${field}.style`,
        `Unknown style "${prompt.style.slice(0, 50)}". The styles are ${facts.styles.map(({ id }) => id).join(', ')}.`,
      );
    }
    checkText(prompt.prompt, `${field}.prompt`);
    checkCount(prompt.count, `${field}.count`, facts);
  });
  const wanted = prompts.reduce((sum, { count }) => sum + count, 0);
  if (wanted > facts.maxAvatars) {
    throw invalid(
      'input.prompts',
      `The prompts request ${wanted} avatars; a generation makes at most ${facts.maxAvatars}.`,
    );
  }
  return wanted;
}

/** Checks the input of a generation without training. */
export function checkInstant(
  request: {
    photoId: string | null;
    photoUrl: string | null;
    prompt: string;
    negativePrompt: string | null;
    count: number;
  },
  facts: ProviderFacts,
): void {
  if (!facts.instant)
    throw invalid(
      'input',
      'The configured provider does not support avatars without training. Use trainModel.',
    );
  if ((request.photoId === null) === (request.photoUrl === null)) {
    throw invalid('input.photoId', 'Give exactly one of photoId and photoUrl.');
  }
  checkText(request.prompt, 'input.prompt');
  if (request.prompt.trim() === '')
    throw invalid('input.prompt', 'Describe what the avatar should look like.');
  checkText(request.negativePrompt, 'input.negativePrompt');
  checkCount(request.count, 'input.count', facts);
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
