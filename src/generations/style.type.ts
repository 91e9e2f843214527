import { Field, ObjectType } from 'type-graphql';

@ObjectType({ description: 'A style of avatars.' })
export class Style {
  @Field(() => String, { description: 'The value for `style` in the prompts of `generateAvatars`.' })
  id: string;

  @Field(() => String, { description: 'The display name.' })
  name: string;

  @Field(() => String, { description: 'A description of the style.' })
  description: string;
}
