import { Field, InputType } from 'type-graphql';
import { DateTimeScalar } from '../graphql/scalars';
import type { Consent } from './consent';

/** A consent as clients say it. */
@InputType({
  description:
    'That the person on the photos has agreed to their use. Some servers demand it: CONSENT_REQUIRED then names the version.',
})
export class ConsentInput {
  @Field(() => String, {
    description:
      'The version of the text that was agreed to, up to 100 characters without spaces: `2026-01`.',
  })
  version: string;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the person agreed; now unless given.' })
  givenAt?: Date | null;
}

/** What a client said, with null for what it did not say. */
export function consentIn(input: ConsentInput | null | undefined): Consent | null {
  return input ? { version: input.version, givenAt: input.givenAt ?? null } : null;
}
