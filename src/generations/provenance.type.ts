import { Field, ObjectType } from 'type-graphql';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import { digitalSourceType } from '../images/ai-mark';

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
