import { Field, InputType } from 'type-graphql';
import { DateTimeScalar } from '../graphql/scalars';
import type { Consent } from './consent';

/** GraphQL input of a consent. */
@InputType({
  description:
    'The consent of the person in the photos to their use. Some servers require it; the error CONSENT_REQUIRED then contains the version.',
})
export class ConsentInput {
  @Field(() => String, {
    description:
      'The version of the text that the person agreed to, up to 100 characters without spaces, such as `2026-01`.',
  })
  version: string;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the person agreed. Default: now.' })
  givenAt?: Date | null;
}

/** Converts the input; omitted values become null. */
export function consentIn(input: ConsentInput | null | undefined): Consent | null {
  return input ? { version: input.version, givenAt: input.givenAt ?? null } : null;
}
