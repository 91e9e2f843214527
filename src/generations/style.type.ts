import { Field, ObjectType } from 'type-graphql';

/** A style, as clients see it. */
@ObjectType({ description: 'A look that avatars can be made in.' })
export class Style {
  @Field(() => String, { description: 'What `generateAvatars` takes as `style`.' })
  id: string;

  @Field(() => String, { description: 'For your user.' })
  name: string;

  @Field(() => String, { description: 'How such avatars look.' })
  description: string;
}
