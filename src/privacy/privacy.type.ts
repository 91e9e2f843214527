import { Field, ID, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';

/** What was erased, in numbers. */
@ObjectType({ description: 'How much was erased.' })
export class ErasureCounts {
  @Field(() => Int, { description: 'Photos, with their bytes if they had any.' })
  photos: number;

  @Field(() => Int, { description: 'Models.' })
  models: number;

  @Field(() => Int, { description: 'Generations.' })
  generations: number;

  @Field(() => Int, { description: 'Avatars, with their pictures and previews.' })
  avatars: number;
}

/** An erasure, as clients see it. */
@ObjectType({
  description:
    'The erasure of somebody’s data. This is all that is left, and nothing in it leads to the person.',
})
export class Erasure {
  @Field(() => ID, {
    description:
      'Made at random. Keep it: with it `erasure` and the operator find this entry, and nobody does without.',
  })
  receipt: string;

  @Field(() => DateTimeScalar, { description: 'From this moment on nothing of it can be read by anybody.' })
  erasedAt: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When the last row was deleted. The files of the pictures are deleted after their rows, some thousands a second. Null while rows are left; the erasure continues without the client.',
  })
  completedAt: Date | null;

  @Field(() => ErasureCounts, { description: 'What was erased so far.' })
  counts: ErasureCounts;
}

/** What `exportMyData` answers. */
@ObjectType({ description: 'Where to get everything.' })
export class ExportMyDataPayload {
  @Field(() => UrlScalar, {
    description:
      'A GET gives a ZIP archive: `data.json` with everything that is known, the avatars and the photos. It is made while it is sent. Whoever has the URL gets the archive, so keep it to yourself.',
  })
  url: string;

  @Field(() => DateTimeScalar, { description: 'Until when the URL works.' })
  expiresAt: Date;
}
