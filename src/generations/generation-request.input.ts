import { consentIn } from '../accounts/consent.input';
import { readInputId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import { queueOptionsIn } from '../jobs/start.input';
import { photoIn } from '../photos/photo-source.type';
import type { GenerateAvatarsRequest, InstantAvatarsRequest } from './generation.service';
import type { GenerateAvatarsInput, GenerateInstantAvatarsInput } from './generation.type';

/** The request in an input. */
export function generationIn(input: GenerateAvatarsInput): GenerateAvatarsRequest {
  const prompts = input.prompts.map(({ style = null, prompt = null, count }) => ({
    ...{ style, prompt, negativePrompt: null, count },
  }));
  return {
    model: readInputId('AvatarModel', input.modelId, 'input.modelId'),
    prompts,
    queue: queueOptionsIn(input),
    idempotencyKey: input.idempotencyKey ?? null,
  };
}

/** The request in an input, and the problems that were found in it. */
export function instantGenerationIn(input: GenerateInstantAvatarsInput): {
  request: InstantAvatarsRequest;
  problems: ProblemCollector;
} {
  const { negativePrompt = null, idempotencyKey = null, prompt, count } = input;
  const problems = new ProblemCollector();
  const photo = photoIn(input, problems) ?? null;
  const [consent, queue] = [consentIn(input.consent), queueOptionsIn(input)];
  return {
    request: { photo, prompt, negativePrompt, count, queue, consent, idempotencyKey },
    problems,
  };
}
