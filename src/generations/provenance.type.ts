import { Field, ObjectType } from 'type-graphql';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import { digitalSourceType } from '../images/ai-mark';
import type { AvatarEntity } from './avatar.entity';

@ObjectType({ description: 'How a picture came about.' })
export class Provenance {
  @Field(() => String, { description: 'The provider that made it.' })
  provider: string;

  @Field(() => String, {
    nullable: true,
    description: 'The provider’s own id of the model, not a global id. Null for instant avatars.',
  })
  providerModelId: string | null;

  @Field(() => String, { nullable: true, description: 'The prompt that was sent; null if it had no text.' })
  prompt: string | null;

  @Field(() => String, { description: 'The style that was requested.' })
  style: string;

  @Field(() => DateTimeScalar, { description: 'When the server learned that the provider had made it.' })
  generatedAt: Date;

  @Field(() => UrlScalar, {
    description: `The IPTC digital source type: \`${digitalSourceType}\`.`,
  })
  digitalSourceType: string;

  @Field(() => Boolean, {
    description: 'Whether the original contains a C2PA manifest from the provider.',
  })
  hasContentCredentials: boolean;

  @Field(() => Boolean, { description: 'True if the sandbox made it: no AI was involved.' })
  isSandbox: boolean;
}

/** Who made a picture. */
export interface AvatarOrigin {
  readonly provider: string;
  /** The provider's id of the model; null without a model. */
  readonly modelRef: string | null;
}

/** The columns of a provenance. The time may be in JSON. */
export type ProvenanceColumns = Pick<AvatarEntity, 'prompt' | 'style' | 'hasContentCredentials'> & {
  readonly createdAt: Date | string;
};

/** The provenance of an avatar. */
export function provenanceOf(
  { prompt, style, hasContentCredentials, createdAt }: ProvenanceColumns,
  { provider, modelRef }: AvatarOrigin,
): Provenance {
  return {
    ...{ provider, providerModelId: modelRef, prompt, style, digitalSourceType, hasContentCredentials },
    generatedAt: new Date(createdAt),
    isSandbox: provider === 'sandbox',
  };
}
