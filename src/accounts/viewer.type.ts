import { Field, ObjectType } from 'type-graphql';

/** Who is asking, as clients see it. */
@ObjectType('Viewer', { description: 'Who you are.' })
export class ViewerType {
  @Field(() => String, {
    description:
      'Whom everything that you make belongs to: your token’s `sub`, your key’s owner, or `local`.',
  })
  owner: string;

  @Field(() => [String], { description: 'What you may do: `read`, `write`, `admin`.' })
  scopes: string[];
}
