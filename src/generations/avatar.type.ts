import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { DeletionPayload, Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import { maxConvertedSide, type AvatarSize, type ImageFormat } from './avatar-variant';
import { maxFavorites } from './avatar.service';

/** {@link AvatarSize} as a GraphQL enum. */
const AvatarSizeEnum = {
  ORIGINAL: 'ORIGINAL',
  PREVIEW: 'PREVIEW',
  PX_128: 'PX_128',
  PX_256: 'PX_256',
  PX_512: 'PX_512',
  PX_1024: 'PX_1024',
} as const satisfies { [Size in AvatarSize]: Size };

registerEnumType(AvatarSizeEnum, {
  name: 'AvatarSize',
  description: 'The size of a picture.',
  valuesConfig: {
    ORIGINAL: { description: 'The original size.' },
    PREVIEW: {
      description: 'Fits into 256 × 256 pixels.',
      deprecationReason: 'Use `PX_256`. Removed in 1.0.',
    },
    PX_128: {
      description: 'Fits into 128 × 128 pixels. Never enlarged; the same holds for the sizes below.',
    },
    PX_256: { description: 'Fits into 256 × 256 pixels. Replaces PREVIEW.' },
    PX_512: { description: 'Fits into 512 × 512 pixels.' },
    PX_1024: { description: 'Fits into 1024 × 1024 pixels.' },
  },
});

/** {@link ImageFormat} as a GraphQL enum. */
const ImageFormatEnum = { JPEG: 'JPEG', WEBP: 'WEBP', AVIF: 'AVIF' } as const satisfies {
  [Format in ImageFormat]: Format;
};

registerEnumType(ImageFormatEnum, {
  name: 'ImageFormat',
  description: 'The file format of a picture.',
  valuesConfig: {
    JPEG: { description: 'JPEG. Transparent parts become white.' },
    WEBP: { description: 'WebP.' },
    AVIF: { description: 'AVIF.' },
  },
});

@ArgsType()
@InputType()
export class PictureArgs {
  @Field(() => AvatarSizeEnum, {
    defaultValue: AvatarSizeEnum.ORIGINAL,
    description: 'The largest size.',
  })
  size: AvatarSize;

  @Field(() => ImageFormatEnum, {
    nullable: true,
    description: `The file format. Null: as it is for ORIGINAL, JPEG otherwise. A converted original has at most ${maxConvertedSide} × ${maxConvertedSide} pixels.`,
  })
  format?: ImageFormat | null;
}

@ObjectType({
  implements: Node,
  description: 'A generated picture. It is part of the API once it is stored, so that its URL works.',
})
export class Avatar implements Node {
  @Field(() => ID, { description: 'The global id, for `deleteAvatar` and `node(id)`.' })
  id: string;

  @Field(() => String, { description: 'The `key` of its style; `instant` for avatars without training.' })
  style: string;

  @Field(() => String, {
    nullable: true,
    description: 'The text of its prompt; null if the prompt had none.',
  })
  prompt: string | null;

  @Field(() => String, { description: 'A blur hash (blurha.sh) to show while the picture loads.' })
  placeholder: string;

  @Field(() => Int, { description: 'The width of the original in pixels.' })
  width: number;

  @Field(() => Int, { description: 'The height of the original in pixels.' })
  height: number;

  @Field(() => Int, { description: 'The size of the original in bytes.' })
  byteSize: number;

  @Field(() => String, {
    description: 'The media type of the original: image/jpeg, image/png or image/webp.',
  })
  contentType: string;

  @Field(() => String, { description: 'The SHA-256 of the original’s bytes, in lower-case hexadecimal.' })
  sha256: string;

  @Field(() => Boolean, { description: 'Whether you marked it with `setFavorite`.' })
  favorite: boolean;

  @Field(() => DateTimeScalar, {
    description: 'When the server learned that the avatar service had finished it.',
  })
  createdAt: Date;
}

/** A page of avatars. */
export const AvatarConnection = createConnectionType('Avatar', () => Avatar);

@InputType()
export class DeleteAvatarInput {
  @Field(() => ID, { description: 'The global id of the avatar.' })
  id: string;
}

@ObjectType()
export class DeleteAvatarPayload extends DeletionPayload {}

@InputType()
export class SetFavoriteInput {
  @Field(() => [ID], { description: `1 to ${maxFavorites} global ids of avatars.` })
  avatarIds: string[];

  @Field(() => Boolean, { description: 'True: they are favorites. False: they are not.' })
  favorite: boolean;
}

@ObjectType()
export class SetFavoritePayload {
  @Field(() => [Avatar], { description: 'The avatars after the change, in the order of the ids.' })
  avatars: Avatar[];
}
