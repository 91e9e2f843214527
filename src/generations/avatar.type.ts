import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import type { AvatarSize } from './avatar.service';

/** {@link AvatarSize} for the schema. */
export const AvatarSizeEnum = { ORIGINAL: 'ORIGINAL', PREVIEW: 'PREVIEW' } as const satisfies {
  [Size in AvatarSize]: Size;
};

registerEnumType(AvatarSizeEnum, {
  name: 'AvatarSize',
  description: 'How large a picture is wanted.',
  valuesConfig: {
    ORIGINAL: { description: 'As the avatar service made it.' },
    PREVIEW: { description: 'A JPEG of at most 256×256 pixels.' },
  },
});

/** An avatar, as clients see it. */
@ObjectType({
  implements: Node,
  description: 'A finished picture, stored for good. Avatars appear here once they can be opened.',
})
export class Avatar implements Node {
  @Field(() => ID, { description: 'What `deleteAvatar` takes, and `node(id)` finds.' })
  id: string;

  @Field(() => String, { description: 'The style it was made in.' })
  style: string;

  @Field(() => String, { nullable: true, description: 'What it should show, as it was asked for.' })
  prompt: string | null;

  @Field(() => String, { description: 'A blur hash (blurha.sh) to be shown while the picture loads.' })
  placeholder: string;

  @Field(() => Int, { description: 'In pixels.' })
  width: number;

  @Field(() => Int, { description: 'In pixels.' })
  height: number;

  @Field(() => Int, { description: 'Of the original, in bytes.' })
  byteSize: number;

  @Field(() => String, { description: 'Of the original: image/jpeg, image/png or image/webp.' })
  contentType: string;

  @Field(() => String, { description: 'The SHA-256 of the original’s bytes, in lower-case hexadecimal.' })
  sha256: string;

  @Field(() => DateTimeScalar, { description: 'When the avatar service had made it.' })
  createdAt: Date;
}

/** A page of avatars. */
export const AvatarConnection = createConnectionType('Avatar', () => Avatar);
